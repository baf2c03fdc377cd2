//! The program under its short name.

fn main() -> std::process::ExitCode {
    canhazgpu::main()
}
