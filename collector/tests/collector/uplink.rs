//! Renewal.

use lapwing_proto::wire::{self, ErrorCode};

use crate::device::{Device, code_of, identity, key_and_request};
use crate::school::School;

#[tokio::test]
async fn a_renewed_certificate_for_a_new_key_is_the_same_device() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (key, csr) = key_and_request();

    let renewed = device.uplink(&school).await.renew(wire::RenewRequest { csr: csr.clone() }).await.unwrap();
    let renewed = identity(&renewed.into_inner().certificate, &key);
    let mut uplink = device.uplink_as(&school, renewed).await;
    let same_key = uplink.renew(wire::RenewRequest { csr }).await.unwrap_err();

    assert_eq!(code_of(&same_key), ErrorCode::CsrInvalid);
    let devices = "SELECT COUNT(DISTINCT device_id) * 10 + COUNT(*) FROM device_certificates";
    assert_eq!(school.count(devices).await, 12);
}

#[tokio::test]
async fn renewals_of_a_day_are_bounded() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut uplink = device.uplink(&school).await;
    let mut refused = None;

    for _ in 0..9 {
        refused = uplink.renew(wire::RenewRequest { csr: key_and_request().1 }).await.err();
    }

    assert_eq!(refused.map(|status| code_of(&status)), Some(ErrorCode::Busy));
    assert_eq!(school.count("SELECT COUNT(*) FROM device_certificates").await, 8);
}

#[tokio::test]
async fn a_clock_that_jumps_for_years_renews_nothing_and_uses_up_no_renewal() {
    const YEARS_US: i64 = 3 * 365 * 24 * 60 * 60 * 1_000_000;
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut uplink = device.uplink(&school).await;
    let renewal = || wire::RenewRequest { csr: key_and_request().1 };

    // The handshake is over once there is an answer.
    uplink.renew(renewal()).await.unwrap();
    school.clock.advance_us(YEARS_US);
    let refused = uplink.renew(renewal()).await.unwrap_err();
    assert_eq!(code_of(&refused), ErrorCode::Busy);
    school.clock.advance_us(-YEARS_US + 10 * 24 * 60 * 60 * 1_000_000);
    for _ in 0..7 {
        uplink.renew(renewal()).await.unwrap();
    }
    school.clock.advance_us(-10 * 24 * 60 * 60 * 1_000_000);

    assert!(uplink.renew(renewal()).await.is_ok(), "what was issued by a clock ahead is not counted");
}
