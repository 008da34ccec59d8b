"""What a log is: values (record, selection, condition, write) and the ports an engine implements."""
