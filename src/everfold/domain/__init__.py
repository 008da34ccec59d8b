"""What users write: events, commands, queries, aggregates and decision models. Pure and synchronous, no I/O."""
