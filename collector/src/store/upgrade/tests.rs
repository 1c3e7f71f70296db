//! Databases as released versions wrote them, kept for ever: what is here must be read by every later version.

use std::os::unix::fs::PermissionsExt;

use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::{Category, Level};
use sqlx::Row;

use super::*;
use crate::actor::{Actor, Role};
use crate::audit::{self, Act, ActKind};
use crate::ids::KeyId;
use crate::seal::{Place, Vault};
use crate::store::fixture::{DEVICE, EPOCH, NINE_US, School, delivery, title};
use crate::store::{Store, connect_options, coverage, deliveries, open_pool, seeded};
use crate::subject::Kind;

const WORDS: &str = "words of a title that matched";
const FILES: [&str; 3] = ["lapwing.db", "keys/keys.db", "keys/school.key"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/fixtures").join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("keys")).unwrap();
    for file in FILES {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// The fixture of that schema, to be used up.
fn unpacked(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(name), folder.path());
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("keys/school.key"), private).unwrap();
    folder
}

/// `cargo nextest run -p lapwing-collector --run-ignored only a_database_of_this_schema_is_kept`, once a release.
#[tokio::test]
#[ignore = "writes the fixture of a release into the source tree; a fixture that is there stays"]
async fn a_database_of_this_schema_is_kept() {
    let place = fixture(&format!("schema_{}", MIGRATIONS.last().unwrap().0));
    assert!(!place.exists(), "`{}` is there: fixtures are never written again", place.display());
    let school = School::open().await;
    seeded::add_device(&school).await;
    school.person("amelia", Kind::Pupil, &[]).await;
    school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let captures = (0..3).map(|_| title("amelia", Category::SelfHarm, Level::High, WORDS)).collect();
    school.intake().take(delivery(Level::High, 1, captures)).await.unwrap();
    school.triage_all().await;
    let mut tx = school.store.begin().await.unwrap();
    let product = Actor::Product { school: school.id.clone() };
    audit::append(&mut tx, &Act::new(&product, NINE_US, ActKind::DeviceEnrolled, DEVICE)).await.unwrap();
    tx.commit().await.unwrap();
    school.store.close().await;
    school.vault.close().await;
    copy(school.folder(), &place);
}

#[tokio::test]
async fn a_database_of_schema_14_is_backed_up_brought_up_to_date_and_read() {
    let folder = unpacked("schema_14");
    let path = folder.path().join("lapwing.db");
    let store = Store::open(&path).await.unwrap();
    let school: SchoolId = "hill-school".parse().unwrap();
    assert_eq!(schema(store.reader()).await.unwrap(), Some(MIGRATIONS.last().unwrap().0));
    let marks = deliveries::high_water(&store, &school, DEVICE, EPOCH).await.unwrap();
    assert_eq!(marks, [(Level::High, Seq::new(3))]);
    let concerns: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT category, level, captures FROM concerns").fetch_all(store.reader()).await.unwrap();
    assert_eq!(concerns, [("self_harm".to_owned(), 4, 3)]);
    let devices = coverage::devices(&store, &school, NINE_US).await.unwrap();
    assert_eq!(devices.iter().map(|device| device.hostname.as_str()).collect::<Vec<_>>(), ["PC-12"]);
    let report = audit::verify(&store, &school).await.unwrap();
    assert!(report.faults.is_empty() && report.leaves >= 2, "{report:?}");
    let vault = Vault::open(&folder.path().join("keys"), school).await.unwrap();
    let row = sqlx::query("SELECT capture_id, key_id, sealed FROM captures LIMIT 1").fetch_one(store.reader()).await;
    let row = row.unwrap();
    let (id, key, sealed): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
    let place = Place { table: "captures", row: &id };
    let plain = vault.unseal(KeyId::try_from(key.as_slice()).unwrap(), place, &sealed).await.unwrap();
    assert!(String::from_utf8_lossy(&plain).contains(WORDS));
    store.close().await;

    let backup = beside(&path, ".schema-14");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backup), mode(&path)), (0o600, 0o600));
    assert!(!beside(&path, ".schema-14.new").exists());
    let copy = open_pool(&backup, connect_options(&backup), 1).await.unwrap();
    assert_eq!(schema(&copy).await.unwrap(), Some(14), "as it was");
    copy.close().await;
}

#[tokio::test]
async fn a_database_of_this_build_or_a_new_one_is_not_copied_and_old_copies_go() {
    let folder = unpacked("schema_14");
    let path = folder.path().join("lapwing.db");
    Store::open(&path).await.unwrap().close().await;
    let copies = || {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains(BACKUP)).count()
    };
    assert_eq!(copies(), 1);
    let made = std::fs::metadata(beside(&path, ".schema-14")).unwrap().modified().unwrap();
    forget_old(&path, made + KEPT);
    assert_eq!(copies(), 1);
    forget_old(&path, made + KEPT + Duration::from_secs(1));
    assert_eq!(copies(), 0);
    Store::open(&path).await.unwrap().close().await;
    Store::open(&folder.path().join("new.db")).await.unwrap().close().await;
    assert_eq!(copies(), 0);
}

#[tokio::test]
async fn a_database_that_cannot_be_backed_up_is_left_as_it_is() {
    let folder = unpacked("schema_14");
    let path = folder.path().join("lapwing.db");
    // Where the copy would go stands what cannot be removed as a file.
    std::fs::create_dir(beside(&path, ".schema-14.new")).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::BackUp { .. }), "{error}");
    assert!(error.to_string().contains("nothing of it was changed"), "{error}");
    let pool = open_pool(&path, connect_options(&path), 1).await.unwrap();
    assert_eq!(schema(&pool).await.unwrap(), Some(14));
}

#[tokio::test]
async fn two_that_start_at_once_make_one_back_up_that_is_whole() {
    let folder = unpacked("schema_14");
    let path = folder.path().join("lapwing.db");
    let (one, other) = tokio::join!(Store::open(&path), Store::open(&path));
    one.unwrap().close().await;
    other.unwrap().close().await;
    let backup = beside(&path, ".schema-14");
    let pool = open_pool(&backup, connect_options(&backup), 1).await.unwrap();
    assert_eq!(schema(&pool).await.unwrap(), Some(14));
    assert!(counts(&pool).await.unwrap().iter().any(|(table, rows)| table == "captures" && *rows == 3));
    pool.close().await;
}

#[tokio::test]
async fn a_copy_that_lacks_rows_or_pages_is_no_back_up() {
    let folder = unpacked("schema_14");
    let path = folder.path().join("lapwing.db");
    let pool = open_pool(&path, connect_options(&path), 1).await.unwrap();
    let before = counts(&pool).await.unwrap();
    pool.close().await;
    check(&path, 14, &before).await.unwrap();
    assert!(check(&path, 13, &before).await.is_err());
    let more: Vec<_> = before.iter().map(|(table, rows)| (table.clone(), rows + 1)).collect();
    assert!(check(&path, 14, &more).await.is_err());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&path, bytes).unwrap();
    assert!(check(&path, 14, &before).await.is_err());
}

/// What the fixture holds is of these.
#[test]
fn the_fixtures_identifiers_stay_what_they_are() {
    assert_eq!((DEVICE, EPOCH), (DeviceId::from_bytes([0xd1; 16]), Epoch::from_bytes([0xe1; 16])));
}
