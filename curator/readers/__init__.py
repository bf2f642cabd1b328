"""The forms of DATA: one file reads one form."""
