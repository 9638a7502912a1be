"""Values from outside (inputs, outputs, texts): between Python, JSON and what PostgreSQL can hold (pure).

May import: errors, i18n.
"""
