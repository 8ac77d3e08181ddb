"""The paper's tables at a scale of one's own: which runs, training them, the report."""
