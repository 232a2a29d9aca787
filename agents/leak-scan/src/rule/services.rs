//! Rules for payment, messaging, shops and other services: tokens with a known prefix, and secret URLs.

use super::Form::{Login, Token, Url, Within};
use super::Rule;
use super::check::Check::{self, Entropy, Shape};
use super::shape::Part::Lit;
use super::shape::{ALNUM, ANY_HEX, DASHED, DIGITS, LOWER, Part, UPPER, URL64, UUID, WORD, alnum, hex, run, runs, url64};
use bailiwick_sdk::findings::Severity::{self, Critical, High, Medium};

const EVEN: Check = Entropy(300);

const fn t(
    id: &'static str,
    title: &'static str,
    severity: Severity,
    keywords: &'static [&'static str],
    parts: &'static [Part],
    check: Check,
) -> Rule {
    Rule::new(id, title, severity, keywords, Token(parts), check)
}

const fn url(id: &'static str, title: &'static str, severity: Severity, keywords: &'static [&'static str], parts: &'static [Part]) -> Rule {
    Rule::new(id, title, severity, keywords, Url(parts), EVEN)
}

/// In the order of their ids, with URLs last.
pub(super) static RULES: &[Rule] = &[
    t("brevo-api-key", "Brevo API key", High, &["xkeysib-"], &[hex(64), Lit("-"), alnum(16)], EVEN),
    t("contentful-token", "Contentful personal access token", High, &["CFPAT-"], &[url64(43)], EVEN),
    t("duffel-token", "Duffel API token", High, &["duffel_live_"], &[url64(43)], EVEN),
    t("easypost-key", "EasyPost API key", High, &["EZAK"], &[alnum(54)], EVEN),
    t("flutterwave-key", "Flutterwave secret key", Critical, &["FLWSECK-"], &[hex(32), Lit("-X")], EVEN),
    t("frameio-token", "Frame.io token", High, &["fio-u-"], &[url64(64)], EVEN),
    t("google-oauth-token", "Google OAuth access token", High, &["ya29."], &[runs(&URL64, 60, 500)], EVEN),
    t("hubspot-token", "HubSpot private app token", High, &["pat-na1-", "pat-na2-", "pat-eu1-"], UUID, EVEN),
    t("intra42-secret", "Intra 42 client secret", Medium, &["s-s4t2ud-", "s-s4t2af-"], &[hex(64)], EVEN),
    t("mailgun-key", "Mailgun API key", High, &["key-"], &[hex(32)], EVEN),
    t("notion-token", "Notion integration token", High, &["ntn_"], &[run(&DIGITS, 11), alnum(35)], EVEN),
    t("paystack-key", "Paystack secret key", Critical, &["sk_live_"], &[hex(40)], EVEN),
    t("plaid-token", "Plaid access token", Critical, &["access-production-"], UUID, EVEN),
    t("posthog-key", "PostHog personal API key", High, &["phx_"], &[runs(&ALNUM, 40, 48)], EVEN),
    t("postman-key", "Postman API key", High, &["PMAK-"], &[hex(24), Lit("-"), hex(34)], EVEN),
    t("readme-key", "ReadMe API key", Medium, &["rdme_"], &[run(&LOWER, 70)], EVEN),
    t("resend-key", "Resend API key", High, &["re_"], &[alnum(8), Lit("_"), alnum(24)], EVEN),
    t("sendgrid-key", "SendGrid API key", High, &["SG."], &[url64(22), Lit("."), url64(43)], EVEN),
    t("shippo-token", "Shippo API token", High, &["shippo_live_"], &[hex(40)], EVEN),
    t("shopify-token", "Shopify token", Critical, &["shpat_", "shpca_", "shppa_", "shpss_"], &[run(&ANY_HEX, 32)], EVEN),
    t(
        "slack-token",
        "Slack token",
        High,
        &["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"],
        &[runs(&DIGITS, 1, 14), Lit("-"), runs(&DASHED, 18, 300)],
        EVEN,
    ),
    t(
        "slack-app-token",
        "Slack app token",
        High,
        &["xapp-"],
        &[run(&DIGITS, 1), Lit("-"), run(&UPPER, 11), Lit("-"), run(&DIGITS, 13), Lit("-"), hex(64)],
        EVEN,
    ),
    t("square-token", "Square access token", Critical, &["sq0atp-", "EAAAE"], &[runs(&URL64, 22, 60)], EVEN),
    t("square-oauth-secret", "Square OAuth secret", Critical, &["sq0csp-"], &[url64(43)], EVEN),
    t("stripe-live-key", "Stripe live key", Critical, &["sk_live_", "rk_live_"], &[runs(&ALNUM, 24, 247)], EVEN),
    t("stripe-webhook-secret", "Stripe webhook secret", High, &["whsec_"], &[runs(&ALNUM, 32, 64)], EVEN),
    Rule::new("telegram-bot-token", "Telegram bot token", High, &[":AA"], Within(&[runs(&DIGITS, 8, 10)], &[url64(33)]), EVEN),
    t("twilio-api-key", "Twilio API key", High, &["SK"], &[hex(32)], EVEN),
    t("typeform-token", "Typeform token", High, &["tfp_"], &[runs(&URL64, 44, 60)], EVEN),
    url(
        "discord-webhook",
        "Discord webhook",
        High,
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        &[runs(&DIGITS, 17, 20), Lit("/"), runs(&URL64, 60, 80)],
    ),
    url(
        "slack-webhook",
        "Slack webhook",
        High,
        &["hooks.slack.com/services/"],
        &[Lit("T"), runs(&ALNUM, 8, 12), Lit("/B"), runs(&ALNUM, 8, 12), Lit("/"), alnum(24)],
    ),
    url(
        "teams-webhook",
        "Microsoft Teams webhook",
        High,
        &[".webhook.office.com/webhookb2/"],
        &[
            hex(8),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(12),
            Lit("@"),
            hex(8),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(12),
            Lit("/IncomingWebhook/"),
            hex(32),
            Lit("/"),
            hex(8),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(4),
            Lit("-"),
            hex(12),
        ],
    ),
    Rule::new(
        "zapier-webhook",
        "Zapier webhook",
        Medium,
        &["hooks.zapier.com/hooks/catch/"],
        Url(&[runs(&DIGITS, 5, 10), Lit("/"), runs(&WORD, 7, 10)]),
        Entropy(280),
    ),
    Rule::new(
        "database-login",
        "Password in the address of a database",
        High,
        &["postgres://", "postgresql://", "mysql://", "mongodb://", "mongodb+srv://", "redis://", "rediss://", "amqp://", "amqps://"],
        Login,
        Shape,
    ),
];
