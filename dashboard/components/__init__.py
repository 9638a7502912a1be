"""Draws data as page elements.

Contents of tasks are shown by elements that interpret no Markdown and no HTML (`st.text`, `st.code`,
`st.dataframe`), so that they can't change the page.
"""
