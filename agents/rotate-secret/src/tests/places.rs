//! The leaked value is found again in lines of many forms.

use crate::place::of_line;

const VALUE: &str = "zK4_9-rq81.TTe2";

#[test]
fn the_value_is_among_the_candidates_of_each_form_that_people_write() {
    for line in [
        format!("amqp://billing:{VALUE}@broker.test:5672/production"),
        format!("BROKER_URL=\"amqp://billing:{VALUE}@broker.test/%2F\""),
        format!("password = '{VALUE}'"),
        format!("password: {VALUE}"),
        format!("{{\"password\":\"{VALUE}\",\"user\":\"billing\"}}"),
        format!("export BROKER_PASSWORD={VALUE}"),
        format!("curl -u billing:{VALUE} http://broker.test/"),
        format!("GET /x?user=billing&password={VALUE}&x=1"),
        format!("<password>{VALUE}</password>"),
        VALUE.to_owned(),
    ] {
        assert!(of_line(&line, 1).iter().any(|known| known == VALUE), "{line}: {:?}", of_line(&line, 1));
    }
}

#[test]
fn a_password_in_a_url_is_tried_as_it_stands_and_decoded() {
    let found = of_line("amqp://u:a%2Fb%40c-12345@broker.test/ redis://u:100%-sure@h", 1);
    assert!(found.contains(&"a/b@c-12345".to_owned()) && found.contains(&"a%2Fb%40c-12345".to_owned()), "{found:?}");
    assert!(found.contains(&"100%-sure".to_owned()), "{found:?}");
    // As `leak-scan` gives the column: that of the password.
    let found = of_line("amqp://u:a=b%40c-12345@broker.test/", 10);
    assert_eq!(found[..2], ["a=b%40c-12345", "a=b@c-12345"]);
}

#[test]
fn nothing_before_the_column_and_nothing_too_short_is_tried_and_never_more_than_sixteen() {
    assert_eq!(of_line("first-value second-value", 13), ["second-value"]);
    assert_eq!(of_line("ä first-value", 3), ["first-value"], "columns are characters");
    assert!(of_line("short a=b", 1).iter().all(|value| value.len() >= 8));
    assert!(of_line("x", 90).is_empty() && of_line("", 1).is_empty());
    let many: Vec<String> = (0..99).map(|n| format!("value-number-{n}")).collect();
    assert_eq!(of_line(&many.join(" "), 1).len(), 16);
    assert!(of_line(&"x".repeat(5000), 1).is_empty());
}
