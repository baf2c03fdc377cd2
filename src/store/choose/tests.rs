//! The choice of a store, by invented facts; and the facts of the host that can be made for a test.

use super::*;

#[derive(Default)]
struct Invented {
    exists: Vec<&'static str>,
    container: bool,
    go_config: Option<PathBuf>,
    go_pool: Option<String>,
}

impl Facts for Invented {
    fn exists(&self, directory: &Path) -> bool {
        self.exists.iter().any(|path| Path::new(path) == directory)
    }

    fn in_container(&self) -> bool {
        self.container
    }

    fn go_config(&self) -> Option<PathBuf> {
        self.go_config.clone()
    }

    fn go_pool(&self) -> Option<String> {
        self.go_pool.clone()
    }
}

fn url(facts: &Invented) -> String {
    choose(None, facts).unwrap().url.to_string()
}

#[test]
fn the_named_store_is_used_whatever_else_is_there() {
    let named = StoreUrl::redis_at("db", 6379, 1);
    let facts =
        Invented { exists: vec![SYSTEM], container: true, go_pool: Some("8".into()), ..Invented::default() };
    assert_eq!(choose(Some(named.clone()), &facts).unwrap().url, named);
}

#[test]
fn the_hosts_store_goes_before_the_fallback_and_both_before_any_doubt() {
    let doubts = || Invented { container: true, go_pool: Some("8".into()), ..Invented::default() };
    assert_eq!(url(&Invented { exists: vec![SYSTEM, FALLBACK], ..doubts() }), format!("sqlite:{SYSTEM}"));
    assert_eq!(url(&Invented { exists: vec![FALLBACK], ..doubts() }), format!("sqlite:{FALLBACK}"));
    assert_eq!(url(&Invented::default()), format!("sqlite:{FALLBACK}"));
}

#[test]
fn no_pool_is_made_in_a_container_or_beside_one_of_the_go_program() {
    let container = Invented { container: true, ..Invented::default() };
    assert!(matches!(choose(None, &container), Err(Refusal::Container)));

    let config = Invented { go_config: Some("/home/a/.canhazgpu.yaml".into()), ..Invented::default() };
    let refusal = choose(None, &config).unwrap_err();
    assert!(matches!(refusal, Refusal::GoConfig { .. }));
    assert!(refusal.to_string().contains("--store redis://localhost:6379/0"), "{refusal}");

    let pool = Invented { go_pool: Some("8".into()), ..Invented::default() };
    let refusal = choose(None, &pool).unwrap_err();
    assert!(matches!(refusal, Refusal::GoPool { .. }));
    assert!(refusal.to_string().contains("--store sqlite:/var/tmp/canhazgpu"), "{refusal}");
}

#[test]
fn the_hosts_store_is_not_made_while_the_fallback_is_in_use() {
    let held = crate::store::contract::reservation("a", &[1, 3]);
    let pool = Pool { reservations: [(held.id.clone(), held)].into(), ..Pool::default() };
    assert_eq!(may_make_system(&Pool::default()), Ok(()));
    let refusal = may_make_system(&pool).unwrap_err();
    assert_eq!(refusal, Refusal::FallbackInUse { gpus: vec![GpuIndex(1), GpuIndex(3)] });
}

#[test]
fn the_go_programs_configuration_is_found_in_the_home() {
    let home = tempfile::tempdir().unwrap();
    let host = Host { home: Some(home.path().to_owned()) };
    fs::write(home.path().join(".canhazgpu"), "").unwrap();
    assert_eq!(host.go_config(), None, "it has an ending");
    fs::write(home.path().join(".canhazgpu.toml"), "").unwrap();
    assert_eq!(host.go_config(), Some(home.path().join(".canhazgpu.toml")));
    assert_eq!(Host { home: None }.go_config(), None);
}
