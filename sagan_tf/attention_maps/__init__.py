"""What attention looks at: measures, queries, views, figures, a page to explore."""
