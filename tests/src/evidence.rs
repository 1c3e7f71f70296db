//! Opens what programs keep sealed, with the keys that lie beside it, so that a search can look inside.

use std::path::Path;
use std::sync::Arc;

use lapwing_agent::clock::ManualClock;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{KeySource, Spool, SpoolLimits};
use lapwing_collector::ids::KeyId;
use lapwing_collector::seal::{Place, Vault};
use lapwing_proto::{Seq, bounds};
use lapwing_rules::Level;
use prost::Message as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

/// Every capture in the spool of a stopped agent, decrypted.
///
/// # Errors
///
/// When the spool is in use or cannot be read.
pub fn spooled(state: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let key = KeySource::File(state.join("spool.key"));
    // No firmware is named, so that no spool is taken for another PC's.
    let clock = Arc::new(ManualClock::at(0));
    let (spool, _) = Spool::open(&state.join("spool"), key, HardwareHash::default(), SpoolLimits::default(), clock)?;
    let mut captures = Vec::new();
    for lane in Level::ALL {
        let records = spool.read(lane, Seq::NONE.next(), bounds::MAX_BATCH)?;
        captures.extend(records.into_iter().map(|(_, capture)| capture.encode_to_vec()));
    }
    Ok(captures)
}

/// Every capture in the database of a collector, unsealed.
///
/// # Errors
///
/// When the database or its keys cannot be read.
pub async fn stored(database: &Path, keys: &Path, school: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let rows = sqlx::query("SELECT capture_id, key_id, sealed FROM captures").fetch_all(&pool).await?;
    let vault = Vault::open(keys, school.parse()?).await?;
    let mut captures = Vec::new();
    for row in rows {
        let (capture, key, sealed): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
        let key = KeyId::try_from(key.as_slice())?;
        captures.push(vault.unseal(key, Place { table: "captures", row: &capture }, &sealed).await?.to_vec());
    }
    vault.close().await;
    pool.close().await;
    Ok(captures)
}

/// What `sql` counts in the database of a collector.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) async fn counted(database: &Path, sql: &'static str) -> anyhow::Result<i64> {
    let mut database = SqliteConnectOptions::new().filename(database).read_only(true).connect().await?;
    let number = sqlx::query_scalar(sql).fetch_one(&mut database).await?;
    database.close().await?;
    Ok(number)
}
