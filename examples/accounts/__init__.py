"""Bank accounts: the first example. ``domain`` is the model, ``app`` the application, ``import_history`` real input."""
