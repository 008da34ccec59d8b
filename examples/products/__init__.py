"""Products: a catalogue with an HTTP route for each message, a period for each price, and AdventureWorks as history.

Read ``domain`` first (what can be done with a product), then ``catalogue`` (what everything costs now),
``price_history`` (what it cost on any day) and ``app`` (all parts together). ``adventureworks`` and
``import_adventureworks`` bring real files in. The commands to try are in README.md.
"""
