//! One error type at the edge, with a hint for the next step.
