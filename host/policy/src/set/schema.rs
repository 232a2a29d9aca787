//! The types of the schema, and the schema as Cedar reads it.

use std::sync::OnceLock;

use cedar_policy::Schema;

/// The types. The actions are generated from the functions of the interfaces.
pub(super) const TYPES: &str = r#"// What a policy can know. `bailiwick policy schema` prints this text.

entity AgentGroup;
entity PersonGroup;
// Somebody of `[people]`, or a user of the machine.
entity Person in [PersonGroup];
entity Agent in [AgentGroup] = {
  name: String,
  // The digest of the component: `sha256:…`.
  digest: String,
  // The `owner` of the agent; empty if it has none.
  owner: String,
  started_by: Person,
};
// An environment of the configuration. What is in none is in `production`.
entity Env;
// A server: `Endpoint::"https://api.example.com:443"`.
entity Endpoint in [Env] = {
  scheme: String,
  // A name in lower case, or an address. Compare it as a whole, or with `like "*.example.com"`.
  host: String,
  port: Long,
};
// A credential of the configuration: `Credential::"name"`. It is in the environments of the servers that it is rotated at.
entity Credential in [Env] = {
  name: String,
};
// Fields by name. Each has all the values that were given for it, and is also there under its name in lower case, without what follows in
// brackets.
entity Fields tags Set<String>;

type Request = {
  method: String,
  // As it is sent, without the query.
  path: String,
  // The segments of the path, decoded: "1", "2" and so on.
  segments: Fields,
  // Fields of the query, decoded.
  query: Fields,
  // Header fields, in lower case.
  headers: Fields,
  // Fields of a form, or of a JSON body: `user.name` is a field within an object. The items of a list have the name of the list.
  body: Fields,
  // "none", "json", "form", or "other": then it has no fields, and is refused if policies look into bodies and none names `body_kind`.
  body_kind: String,
  body_bytes: Long,
  // The names of operations in `x-amz-target`, `soapaction`, and in a field `Action` of the query or of a form.
  operations: Set<String>,
};
type Run = {
  id: String,
  // How many acts of the run were permitted before.
  acts: Long,
  // How many more calls it may make.
  calls_left: Long,
  // The environments in which this run rotated a credential and then proved that the old value is refused.
  proved: Set<String>,
};
type HttpContext = {
  // The groups whose people have approved exactly this act.
  approvals: Set<String>,
  request: Request,
  // The credential that the host adds.
  credential?: Credential,
  // The name of the engagement; empty if there is none.
  engagement: String,
  now: datetime,
  run: Run,
};
type CredentialContext = {
  approvals: Set<String>,
  engagement: String,
  now: datetime,
  run: Run,
};

"#;

/// The schema. It is the same for all sets.
///
/// # Errors
/// A fault of this program: the text is not a schema.
pub(super) fn schema() -> Result<&'static Schema, String> {
    static SCHEMA: OnceLock<Result<Schema, String>> = OnceLock::new();
    let read = || {
        let read = Schema::from_cedarschema_str(&super::schema_text());
        read.map(|(schema, _)| schema).map_err(|err| err.to_string())
    };
    SCHEMA.get_or_init(read).as_ref().map_err(Clone::clone)
}
