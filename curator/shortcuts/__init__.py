"""The test: does an attribute give a class away? From yes/no columns to findings with effect, interval and severity."""
