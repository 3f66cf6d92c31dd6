"""Ends while it is imported."""
import os

print("about to end")
os._exit(7)
