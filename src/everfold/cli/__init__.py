"""The command line: one file per noun. Nobody imports this room.

``main`` is the entry point, ``program`` lists the commands. Heavy modules are imported inside the functions that
need them, so that ``everfold --help`` answers at once.
"""
