"""Data in, elements out.

Whatever a task contains is shown by elements that know no Markdown and no HTML (`st.text`,
`st.code`, `st.dataframe`), so that it can't change the page.
"""
