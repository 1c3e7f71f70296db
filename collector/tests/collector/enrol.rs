//! Enrolment.

use lapwing_proto::wire::ErrorCode;
use lapwing_proto::wire::uplink_client::UplinkClient;
use lapwing_proto::{DeviceId, wire};

use crate::device::{Device, code_of, connect, enrolment, join, key_and_request};
use crate::school::School;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

async fn refusal(school: &School, request: wire::JoinRequest) -> ErrorCode {
    code_of(&enrolment(school).await.join(request).await.unwrap_err())
}

#[tokio::test]
async fn a_token_gives_a_device_its_certificate_and_the_authority() {
    let school = School::open().await;
    let (_, csr) = key_and_request();

    let joined = enrolment(&school).await.join(join(&school.token(1).await, csr)).await.unwrap().into_inner();

    let device: DeviceId = joined.device_id.parse().unwrap();
    let certificate = joined.certificate.into();
    assert_eq!(lapwing_collector::tls::device_of(&certificate).unwrap(), device);
    assert_eq!(joined.authorities.len(), 1);
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE device_group = 'ict-suite'").await, 1);
    assert_eq!(school.count("SELECT COUNT(*) FROM device_certificates").await, 1);
    let log = school.command(&["audit", "verify"]).await;
    assert_eq!(log, "2 leaves, 2 acts match");
}

#[tokio::test]
async fn each_bad_token_is_refused_with_a_code_of_its_own() {
    let school = School::open().await;
    let csr = || key_and_request().1;
    let spent = school.token(1).await;
    enrolment(&school).await.join(join(&spent, csr())).await.unwrap();
    let unknown = school.token(1).await.replace('a', "b").replace('c', "d").replace('e', "f");

    assert_eq!(refusal(&school, join(&spent, csr())).await, ErrorCode::TokenSpent);
    assert_eq!(refusal(&school, join(&unknown, csr())).await, ErrorCode::TokenUnknown);
    assert_eq!(refusal(&school, join("not a token", csr())).await, ErrorCode::TokenUnknown);
    assert_eq!(refusal(&school, join(&"x".repeat(65), csr())).await, ErrorCode::Malformed);
    let expired = school.token(1).await;
    school.clock.advance_us(15 * DAY_US);
    assert_eq!(refusal(&school, join(&expired, csr())).await, ErrorCode::TokenExpired);
    assert_eq!(school.count("SELECT COUNT(*) FROM devices").await, 1);
}

#[tokio::test]
async fn a_bad_request_does_not_use_a_token_up() {
    let school = School::open().await;
    let token = school.token(1).await;
    let (_, mut csr) = key_and_request();
    if let Some(last) = csr.last_mut() {
        *last ^= 1;
    }

    assert_eq!(refusal(&school, join(&token, csr)).await, ErrorCode::CsrInvalid);
    enrolment(&school).await.join(join(&token, key_and_request().1)).await.unwrap();
}

#[tokio::test]
async fn a_stranger_cannot_reach_the_uplink() {
    let school = School::open().await;
    let addresses = school.collector().addresses();
    let authority = school.authority().await;
    let ask = || wire::ResolveSessionRequest { account: "amy.b".into(), groups: Vec::new() };

    let uplink = format!("https://{}", addresses.uplink);
    let without_certificate = match connect(&uplink, &authority, None).await {
        Ok(channel) => UplinkClient::new(channel).resolve_session(ask()).await.is_ok(),
        Err(_) => false,
    };
    let elsewhere = School::open().await;
    let other = Device::enrol(&elsewhere).await;
    let of_another_authority = {
        let url = format!("https://{}", elsewhere.collector().addresses().uplink);
        assert!(
            UplinkClient::new(connect(&url, &elsewhere.authority().await, Some(other.identity())).await.unwrap())
                .resolve_session(ask())
                .await
                .is_ok()
        );
        match connect(&uplink, &authority, Some(other.identity())).await {
            Ok(channel) => UplinkClient::new(channel).resolve_session(ask()).await.is_ok(),
            Err(_) => false,
        }
    };
    let enrol = connect(&format!("https://{}", addresses.enrol), &authority, None).await.unwrap();
    let through_enrolment = UplinkClient::new(enrol).resolve_session(ask()).await.unwrap_err();

    assert!(!without_certificate);
    assert!(!of_another_authority);
    assert_eq!(through_enrolment.code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn plaintext_is_not_answered() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let school = School::open().await;
    let addresses = school.collector().addresses();

    for address in [addresses.enrol, addresses.uplink, addresses.console] {
        for greeting in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
            let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
            plain.write_all(greeting.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // A reset is as good as an end.
            let _ = plain.read_to_end(&mut answer).await;
            // At most a TLS alert: content type 21.
            assert!(answer.is_empty() || answer.first() == Some(&21), "{answer:?}");
        }
    }
}
