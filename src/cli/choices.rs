//! Options that take one of a few words. Also read by the configuration, through [`clap::ValueEnum`].

use clap::ValueEnum;

/// What becomes of processes that a command leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Orphans {
    /// End them when the command failed or was asked to stop; wait for those on its GPUs when it ended well
    #[default]
    Auto,
    /// End every one of them
    Kill,
    /// Keep the GPUs until the last one has ended
    Wait,
    /// Release at once and leave them be
    Leave,
}

/// What to do when the reservation of a running command is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OnLost {
    /// Say so and let the command run on
    #[default]
    Warn,
    /// End the command
    Terminate,
}

/// How `status` lays out its answer for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum StatusLayout {
    /// One line a GPU, in a form that scripts parse
    #[default]
    Lines,
    /// The same, as an aligned table
    Table,
}

/// A shell whose completions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
