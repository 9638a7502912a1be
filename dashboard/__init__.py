"""The Streamlit app that shows an installation live; it reads, and never imports the worker."""
