//! Test double of libnvidia-ml.so.1.
