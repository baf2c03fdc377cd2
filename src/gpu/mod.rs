//! What the driver says of the GPUs. The only room that knows NVML.
