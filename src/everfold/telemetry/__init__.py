"""What an app tells of itself to those who watch over it: metrics, spans, log lines. Wraps the seams from outside."""
