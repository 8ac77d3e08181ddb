"""What attention looks at: measures, queries, views, figures and a page to explore."""
