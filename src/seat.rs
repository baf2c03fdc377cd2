//! Who sits on a GPU, by the kernel's word: abstract stream sockets named after UUIDs.
