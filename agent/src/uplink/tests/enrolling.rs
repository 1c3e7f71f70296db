//! Enrolment.

use super::*;

async fn enrolled(rig: &Rig, config: UplinkConfig) -> Result<lapwing_proto::DeviceId, EnrolError> {
    enrol(&config, &rig.identity, HardwareHash::default(), None, Arc::clone(&rig.clock)).await
}

#[tokio::test]
async fn a_token_becomes_an_identity_that_outlives_a_restart_and_is_wiped() {
    let rig = Rig::new(Script::default()).await;
    let device = enrolled(&rig, rig.config()).await.unwrap();
    assert!(!rig.folder.path().join("token").exists());
    let reopened = IdentityStore::open(rig.folder.path()).unwrap();
    assert_eq!(reopened.device(), Some(device));
    assert_eq!(rig.collector.told(|told| told.joins[0].room.clone()), "B12");
}

#[tokio::test]
async fn a_token_that_comes_again_is_wiped_once_the_collector_answers_and_is_closed_to_others_until_then() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new(Script::default()).await;
    let token = rig.folder.path().join("token");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&token, open).unwrap();
    let other = Some(Fingerprint::of(b"another"));
    enrolled(&rig, UplinkConfig { ca_fingerprint: other, ..rig.config() }).await.unwrap_err();
    assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    enrolled(&rig, rig.config()).await.unwrap();
    std::fs::write(&token, fake::TOKEN).unwrap();
    rig.until(rig.collector.eventually(|_| !token.exists())).await;
    assert_eq!(rig.collector.told(|told| told.joins.len()), 1, "and no use of it is spent");
}

#[tokio::test]
async fn another_collector_is_not_trusted_and_sees_no_token() {
    let rig = Rig::new(Script::default()).await;
    let other = Some(Fingerprint::of(b"another"));
    let error = enrolled(&rig, UplinkConfig { ca_fingerprint: other, ..rig.config() }).await.unwrap_err();
    assert!(matches!(error, EnrolError::WrongCollector(..)), "{error}");
    assert!(rig.collector.told(|told| told.joins.is_empty()));
    assert!(rig.folder.path().join("token").exists());
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    for (code, words) in [
        (wire::ErrorCode::TokenUnknown, "does not know"),
        (wire::ErrorCode::TokenExpired, "expired"),
        (wire::ErrorCode::TokenSpent, "no uses left"),
    ] {
        let rig = Rig::new(Script { refuse_join: Some(code), ..Script::default() }).await;
        let error = enrolled(&rig, rig.config()).await.unwrap_err();
        assert!(error.to_string().contains(words) && error.to_string().contains("token create"), "{error}");
        assert!(!error.is_transient());
        assert!(rig.folder.path().join("token").exists());
    }
}

#[tokio::test]
async fn who_is_not_let_in_hears_why_and_keeps_the_token() {
    for (code, words, is_transient) in [
        (wire::ErrorCode::Network, "not for this network", false),
        (wire::ErrorCode::NotListed, "not on the school's list", false),
        (wire::ErrorCode::Denied, "turned away", false),
        (wire::ErrorCode::Revoked, "denies this device", false),
        (wire::ErrorCode::Waits, "waits to be let in", true),
        (wire::ErrorCode::Store, "refused", true),
    ] {
        let rig = Rig::new(Script { refuse_join: Some(code), ..Script::default() }).await;
        let error = enrolled(&rig, rig.config()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{code:?}: {error}");
        assert_eq!(error.is_transient(), is_transient, "{code:?}");
        assert!(rig.folder.path().join("token").exists());
    }
}

#[tokio::test]
async fn a_collector_that_is_down_is_tried_again() {
    let rig = Rig::new(Script::default()).await;
    let nobody = "https://localhost:1".parse().unwrap();
    let error = enrolled(&rig, UplinkConfig { enrol: nobody, ..rig.config() }).await.unwrap_err();
    assert!(matches!(error, EnrolError::Unreachable(..)) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn where_no_identity_could_be_kept_no_token_is_spent() {
    let rig = Rig::new(Script::default()).await;
    let refusing = rig.folder.path().join("file");
    let store = IdentityStore::open(&refusing.join("state")).unwrap();
    std::fs::write(&refusing, "no folder").unwrap();
    let error = enrol(&rig.config(), &store, HardwareHash::default(), None, Arc::clone(&rig.clock)).await.unwrap_err();
    assert!(matches!(error, EnrolError::State(_)) && error.is_transient(), "{error}");
    assert!(rig.collector.told(|told| told.joins.is_empty()));
    std::fs::remove_file(&refusing).unwrap();
    enrol(&rig.config(), &store, HardwareHash::default(), None, Arc::clone(&rig.clock)).await.unwrap();
    assert!(refusing.join("state/identity.json").exists() && !refusing.join("state/identity.room").exists());
}

#[tokio::test]
async fn an_identity_that_cannot_be_read_yet_is_waited_for_and_not_replaced() {
    let mut rig = Rig::new(Script::default()).await;
    let device = enrolled(&rig, rig.config()).await.unwrap();
    std::fs::write(rig.folder.path().join("token"), fake::TOKEN).unwrap();
    let (file, whole) = (rig.folder.path().join("identity.json"), rig.folder.path().join("whole"));
    std::fs::rename(&file, &whole).unwrap();
    std::fs::create_dir(&file).unwrap();
    rig.identity = Arc::new(IdentityStore::open_or_wait(rig.folder.path()));
    assert!(rig.identity.look_again().is_err());
    let shutdown = Shutdown::new();
    let (uplink, _fetched) = rig.uplink(&shutdown);
    let mut state = uplink.state();
    let story = async {
        let refused =
            |state: &LinkState| matches!(state, LinkState::NotEnrolled(why) if why.contains("cannot be read"));
        state.wait_for(refused).await.unwrap();
        std::fs::remove_dir(&file).unwrap();
        std::fs::rename(&whole, &file).unwrap();
        rig.collector.eventually(|told| !told.statuses.is_empty()).await;
        shutdown.request();
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(story, uplink.run()) }).await.unwrap();
    assert_eq!(rig.identity.device(), Some(device));
    assert_eq!(rig.collector.told(|told| told.joins.len()), 1);
}
