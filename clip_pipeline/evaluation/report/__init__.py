"""The report: chapters of scores, figures and photos, as Markdown and as a page."""
