"""From a want to candidates, scores and a decision."""
