//! The manual pages, as they are built into the program.

/// Every page: its file's name and its source.
pub(crate) const PAGES: &[(&str, &str)] = &[
    ("canhazgpu.1", include_str!("../../man/canhazgpu.1")),
    ("canhazgpu-run.1", include_str!("../../man/canhazgpu-run.1")),
    ("canhazgpu-reserve.1", include_str!("../../man/canhazgpu-reserve.1")),
    ("canhazgpu-release.1", include_str!("../../man/canhazgpu-release.1")),
    ("canhazgpu-extend.1", include_str!("../../man/canhazgpu-extend.1")),
    ("canhazgpu-status.1", include_str!("../../man/canhazgpu-status.1")),
    ("canhazgpu-queue.1", include_str!("../../man/canhazgpu-queue.1")),
    ("canhazgpu-report.1", include_str!("../../man/canhazgpu-report.1")),
    ("canhazgpu-admin.1", include_str!("../../man/canhazgpu-admin.1")),
    ("canhazgpu-shim.1", include_str!("../../man/canhazgpu-shim.1")),
    ("canhazgpu-doctor.1", include_str!("../../man/canhazgpu-doctor.1")),
    ("canhazgpu-completions.1", include_str!("../../man/canhazgpu-completions.1")),
    ("canhazgpu-man.1", include_str!("../../man/canhazgpu-man.1")),
    ("canhazgpu-config.5", include_str!("../../man/canhazgpu-config.5")),
    ("chg-shims.7", include_str!("../../man/chg-shims.7")),
];

/// The pages by the shortest names that [`page`] finds them by.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(file, _)| short(file))
}

/// A page by the name that people give it: `canhazgpu`, `run`, `config`, `canhazgpu-run`, `chg-run.1`.
pub(crate) fn page(name: Option<&str>) -> Option<&'static str> {
    let wanted = short(name.unwrap_or("canhazgpu"));
    PAGES.iter().find(|(file, _)| short(file) == wanted).map(|(_, source)| *source)
}

/// The name without what all have in common.
fn short(name: &str) -> &str {
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    match name {
        "canhazgpu" | "chg" => "canhazgpu",
        other => other.strip_prefix("canhazgpu-").or_else(|| other.strip_prefix("chg-")).unwrap_or(other),
    }
}
