"""The store as users meet it: typed events in and out, group commit, load-decide-append, snapshots, time travel."""
