use super::*;

const KEY: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn load(text: &str) -> Result<Config, String> {
    Config::from_text(text, Path::new("/etc/lapwing/agent.toml")).map_err(|error| error.to_string())
}

#[test]
fn nothing_written_is_a_whole_configuration() {
    let config = load("").unwrap();
    assert_eq!(config.state_dir.display().to_string(), DEFAULT_STATE_DIR);
    assert_eq!(config.state_dir.origin(), &Origin::Default);
    assert!(config.collector.is_none() && config.rule_keys.is_none());
}

#[test]
fn a_value_remembers_its_line() {
    let text = format!(
        "# comment\nsocket = \"/tmp/a.sock\"\n[collector]\nenrol = \"https://c.example:1\"\n\
         uplink = \"https://c.example:2\"\n[trust]\nrule_keys = [\"{KEY}\"]\n"
    );
    let config = load(&text).unwrap();
    assert_eq!(config.socket.origin().to_string(), "/etc/lapwing/agent.toml:2");
    assert_eq!(config.collector.unwrap().uplink.origin().to_string(), "/etc/lapwing/agent.toml:5");
    assert_eq!(config.rule_keys.origin().to_string(), "/etc/lapwing/agent.toml:7");
}

#[test]
fn what_makes_no_sense_is_named_by_file_line_and_cause() {
    let cases = [
        ("\nsokcet = \"/x\"", "agent.toml:2: unknown field `sokcet`"),
        ("state_dir = \"here\"", "agent.toml:1: `here` is not an absolute path"),
        ("[collector]\nenrol = \"https://c.example:1\"", "[collector] needs both `enrol` and `uplink`"),
        (
            "[collector]\nenrol = \"http://c.example:1\"\nuplink = \"https://c.example:1\"",
            "agent.toml:2: `http://c.example:1` is not `https://host:port`",
        ),
        ("[trust]\nrule_keys = [\"ed25519:12\"]", "agent.toml:2: `rule_keys`: "),
        ("[limits]\n\nspool_mib = 1", "agent.toml:3: `spool_mib` is 16 to 256"),
        ("[limits]\ncpu_percent = 0", "agent.toml:2: `cpu_percent` is 1 to 100"),
        ("[files]\nfolders = [\"a\"]", "agent.toml:2: `a` is not an absolute path"),
        ("[bands]\ndefault = \"year 9\"", "agent.toml:2: unknown variant `year 9`"),
        ("a = ", "agent.toml:1: "),
    ];
    for (text, expected) in cases {
        let error = load(text).unwrap_err();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
}

#[test]
fn a_restart_with_a_broken_file_goes_on_with_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    let state = format!("state_dir = \"{}\"\n", folder.path().display());
    std::fs::write(&path, format!("{state}socket = \"/tmp/good.sock\"\n")).unwrap();
    let (config, from) = load_or_last_good(&path).unwrap();
    assert!(matches!(from, LoadedFrom::Asked));
    Watched::new(&path, config).keep_as_last_good().unwrap();
    std::fs::write(&path, format!("{state}sokcet = \"/tmp/bad.sock\"\n")).unwrap();
    let (config, from) = load_or_last_good(&path).unwrap();
    assert_eq!(config.socket.display().to_string(), "/tmp/good.sock");
    assert!(matches!(from, LoadedFrom::LastGood(error) if error.to_string().contains("sokcet")));
}

#[test]
fn a_first_start_with_a_broken_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, format!("state_dir = \"{}\"\nsokcet = 1\n", folder.path().display())).unwrap();
    assert!(load_or_last_good(&path).is_err());
    assert!(load_or_last_good(&folder.path().join("absent.toml")).is_err());
}

#[test]
fn a_changed_file_is_taken_or_the_last_good_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, "").unwrap();
    let mut watched = Watched::new(&path, Config::load(&path).unwrap());
    assert!(matches!(watched.look(), Change::None));
    std::fs::write(&path, "[bands]\ndefault = \"ks5\"\n[limits]\nspool_mib = 32\n").unwrap();
    let Change::Taken(waiting) = watched.look() else { panic!("the change was not taken") };
    assert_eq!(waiting, ["limits.spool_mib"]);
    std::fs::write(&path, "nonsense = 1\n").unwrap();
    assert!(matches!(watched.look(), Change::Kept(_)));
    assert_eq!(*watched.current().default_band, Band::Ks5);
    assert!(matches!(watched.look(), Change::None), "a broken file is reported once");
}
