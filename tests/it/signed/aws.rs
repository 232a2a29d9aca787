//! Signature version 4 against moto, which computes each signature anew.

use serde_json::{Value, json};
use tests::asks::{Ran, asks, assert_nowhere, config, set};
use tests::moto::Moto;
use tests::program::Program;

use super::post;

/// Requests in the formats of IAM, Secrets Manager and Security Hub.
fn requests(moto: &Moto, service: &str) -> Vec<Value> {
    let form = "application/x-www-form-urlencoded";
    let secrets = |action: &str, body: &str| {
        let headers = json!([["content-type", "application/x-amz-json-1.1"], ["x-amz-target", format!("secretsmanager.{action}")]]);
        json!({ "method": "POST", "url": moto.app.url("/"), "headers": headers, "body": body })
    };
    match service {
        "iam" => {
            let list = "Action=ListAccessKeys&Version=2010-05-08&UserName=leaked";
            let end = format!("Action=UpdateAccessKey&Version=2010-05-08&UserName=leaked&AccessKeyId={}&Status=Inactive", moto.leaked);
            [list, &end, list].map(|body| post(&moto.app.url("/"), form, body)).into()
        }
        "secretsmanager" => vec![
            secrets(
                "PutSecretValue",
                r#"{"SecretId":"inventory/api","SecretString":"what-it-wants-from-now-on","ClientRequestToken":"0123456789abcdef0123456789abcdef"}"#,
            ),
            secrets("DescribeSecret", r#"{"SecretId":"inventory/api"}"#),
        ],
        _ => {
            let finding = json!({ "Findings": [{
                "AwsAccountId": "123456789012", "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
                "Description": "a key that leaked", "GeneratorId": "leak-scan", "Id": "finding/1", "SchemaVersion": "2018-10-08",
                "ProductArn": "arn:aws:securityhub:us-east-1:123456789012:product/123456789012/default",
                "Resources": [{ "Id": "arn:aws:iam::123456789012:user/leaked", "Type": "AwsIamUser" }],
                "Severity": { "Label": "HIGH" }, "Title": "A key leaked", "Types": ["Sensitive Data Identifications"],
            }] });
            vec![
                post(&moto.app.url("/findings/import"), "application/json", &finding.to_string()),
                post(&moto.app.url("/findings"), "application/json", r#"{"MaxResults":5}"#),
            ]
        }
    }
}

fn ask(moto: &Moto, service: &str, id: &str, secret: &str) -> (Program, Ran) {
    let key = format!("kind = \"sigv4\"\nkey-id = {id:?}\nregion = \"us-east-1\"\nservice = {service:?}");
    let program = Program::new(&config(moto.app.port(), &key));
    set(&program, "key", secret);
    let ran = asks(&program, &[], &requests(moto, service));
    assert_nowhere(&program, &ran, secret);
    (program, ran)
}

#[test]
fn requests_to_three_services_are_signed_so_that_aws_takes_them() {
    let Some(moto) = Moto::start() else { return };
    for service in ["iam", "secretsmanager", "securityhub"] {
        let (_, ran) = ask(&moto, service, &moto.id, &moto.secret);
        let told = ran.told();
        assert!(told.iter().all(|(status, _)| *status == 200), "{service}: {told:?}");
        assert_eq!(ran.report["evidence"]["touched"]["credentials"], json!(["key"]), "{service}");
        match (service, told.as_slice()) {
            ("iam", [(_, before), _, (_, after)]) => {
                assert!(before.contains(&moto.leaked) && before.contains("<Status>Active</Status>"), "{before}");
                assert!(after.contains(&moto.leaked) && after.contains("<Status>Inactive</Status>"), "{after}");
            }
            ("secretsmanager", [_, (_, described)]) => {
                assert!(described.contains("0123456789abcdef0123456789abcdef"), "the version that was set: {described}");
            }
            (_, [_, (_, found)]) => assert!(found.contains("finding/1"), "{found}"),
            _ => panic!("{told:?}"),
        }
    }
}

/// A secret with one wrong letter, an unknown key, and a key whose owner may do nothing: moto says which.
#[test]
fn what_is_signed_with_another_key_is_refused_by_aws() {
    let Some(moto) = Moto::start() else { return };
    // The secret is random, and may end with either letter.
    let last = if moto.secret.ends_with('x') { 'y' } else { 'x' };
    let wrong = format!("{}{last}", moto.secret.split_at(moto.secret.len() - 1).0);
    for (id, secret, why) in [
        (moto.id.as_str(), wrong.as_str(), "SignatureDoesNotMatch"),
        (concat!("AKIA", "NOBODYHASTHISKEY"), &moto.secret, "InvalidClientTokenId"),
        (&moto.leaked, &moto.leaked_secret, "AccessDenied"),
    ] {
        let (_, ran) = ask(&moto, "iam", id, secret);
        for (status, body) in ran.told() {
            assert!(status == 403 && body.contains(why), "{why}: {status} {body}");
        }
    }
}

/// A request that the guest signs itself, or for which it sets another time, is not sent.
#[test]
fn a_signature_of_the_guests_own_is_not_sent() {
    let Some(moto) = Moto::start() else { return };
    let key = format!("kind = \"sigv4\"\nkey-id = {:?}\nregion = \"us-east-1\"\nservice = \"iam\"", moto.id);
    let program = Program::new(&config(moto.app.port(), &key));
    set(&program, "key", &moto.secret);
    let url = moto.app.url("/");
    let before = moto.app.url("/?X-Amz-Signature=00&X-Amz-Credential=x");
    let ran = asks(
        &program,
        &[],
        &[
            json!({ "url": url, "headers": [["x-amz-date", "20200101T000000Z"]] }),
            json!({ "url": url, "headers": [["x-amz-security-token", "of-mine"]] }),
            json!({ "url": url, "headers": [["authorization", "AWS4-HMAC-SHA256 Credential=x"]] }),
            json!({ "url": before }),
        ],
    );
    let mut refused = ran.refused();
    refused.sort_unstable();
    assert_eq!(refused, ["credential-unfit", "header-not-granted", "header-not-yours", "header-not-yours"]);
    // All requests since its start came from the setup: eight.
    assert_eq!(moto.app.stop().len(), 8);
}
