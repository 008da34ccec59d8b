"""Where bytes live: one folder per engine, each knowing only ``everfold.log``. ``connect`` chooses by URL."""
