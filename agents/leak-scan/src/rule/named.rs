//! Rules for credentials without a known prefix. They are recognised by the name to which they are assigned, which contains the name of
//! the service and a word like `key` or `token`, and by how evenly their characters are spread.

use super::Form::Named;
use super::Rule;
use super::check::Check::{self, Entropy};
use super::shape::Part::Lit;
use super::shape::{ALNUM, BASE64, DIGITS, LOWER, Part, URL64, UUID, WORD, alnum, hex, run, runs};
use bailiwick_sdk::findings::Severity::{self, Critical, High, Medium};

const EVEN: Check = Entropy(300);

const fn n(id: &'static str, title: &'static str, severity: Severity, keywords: &'static [&'static str], parts: &'static [Part]) -> Rule {
    Rule::new(id, title, severity, keywords, Named(parts), EVEN)
}

/// In the order of their ids.
pub(super) static RULES: &[Rule] = &[
    n("algolia-admin-key", "Algolia API key", High, &["algolia"], &[hex(32)]),
    n("asana-token", "Asana token", High, &["asana"], &[run(&DIGITS, 1), Lit("/"), runs(&DIGITS, 10, 18), Lit(":"), hex(32)]),
    Rule::new(
        "aws-secret-access-key",
        "AWS secret access key",
        Critical,
        &["aws", "secret_access_key", "secretAccessKey"],
        Named(&[run(&BASE64, 40)]),
        Entropy(350),
    ),
    n("azure-openai-key", "Azure OpenAI key", High, &["azure"], &[hex(32)]),
    n("bitly-token", "Bitly token", Medium, &["bitly"], &[hex(40)]),
    n("cloudflare-token", "Cloudflare API token", Critical, &["cloudflare"], &[run(&URL64, 40)]),
    n("codecov-token", "Codecov token", Medium, &["codecov"], UUID),
    n("cohere-key", "Cohere API key", High, &["cohere"], &[alnum(40)]),
    n("coinbase-token", "Coinbase access token", High, &["coinbase"], &[run(&URL64, 64)]),
    n("confluent-secret", "Confluent secret", High, &["confluent"], &[run(&BASE64, 64)]),
    n("datadog-key", "Datadog key", High, &["datadog"], &[runs(&LOWER, 32, 40)]),
    n(
        "discord-bot-token",
        "Discord bot token",
        High,
        &["discord"],
        &[runs(&URL64, 24, 28), Lit("."), run(&URL64, 6), Lit("."), runs(&URL64, 27, 38)],
    ),
    n("dropbox-token", "Dropbox token", High, &["dropbox"], &[Lit("sl."), runs(&URL64, 100, 400)]),
    n("fastly-token", "Fastly API token", High, &["fastly"], &[run(&URL64, 32)]),
    n("heroku-api-key", "Heroku API key", High, &["heroku"], UUID),
    n("hetzner-token", "Hetzner Cloud token", Critical, &["hetzner", "hcloud"], &[alnum(64)]),
    n("linode-token", "Linode token", Critical, &["linode"], &[hex(64)]),
    n("mailchimp-key", "Mailchimp API key", High, &["mailchimp"], &[hex(32), Lit("-us"), runs(&DIGITS, 1, 2)]),
    n("mistral-key", "Mistral API key", High, &["mistral"], &[alnum(32)]),
    n("netlify-token", "Netlify token", High, &["netlify"], &[runs(&URL64, 40, 46)]),
    n("okta-token", "Okta API token", Critical, &["okta"], &[Lit("00"), run(&URL64, 40)]),
    n("pagerduty-key", "PagerDuty API key", High, &["pagerduty", "pagerDuty"], &[Lit("u+"), run(&URL64, 18)]),
    n("rollbar-token", "Rollbar token", Medium, &["rollbar"], &[hex(32)]),
    n("snyk-token", "Snyk token", High, &["snyk"], UUID),
    n("travis-token", "Travis CI token", High, &["travis"], &[alnum(22)]),
    n("twitch-token", "Twitch token", Medium, &["twitch"], &[run(&LOWER, 30)]),
    n("twilio-auth-token", "Twilio auth token", Critical, &["twilio"], &[hex(32)]),
    n("vultr-key", "Vultr API key", High, &["vultr"], &[runs(&ALNUM, 36, 36)]),
    n("wandb-key", "Weights & Biases API key", High, &["wandb"], &[hex(40)]),
    n("zendesk-token", "Zendesk token", High, &["zendesk"], &[runs(&WORD, 40, 40)]),
];
