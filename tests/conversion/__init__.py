"""From sources to outputs: one, many, merged, whole or not at all."""
