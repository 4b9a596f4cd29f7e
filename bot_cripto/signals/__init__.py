"""The signal document: what it holds, how it is checked, published and explained.

A process that only publishes need not import what makes or explains a document, so the parts
are imported from where they are: `document`, `publish`, `explain`, `schema`.
"""
