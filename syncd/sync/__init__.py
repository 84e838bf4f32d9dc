"""The path: one file a step, in the order data meets them: stage, quarantine, compare, guard, apply; `run` knows the order."""
