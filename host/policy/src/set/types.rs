//! The names of the types of entities, read once.

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

/// The types of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Action,
    Agent,
    AgentGroup,
    Person,
    PersonGroup,
    Env,
    Endpoint,
    Credential,
    Fields,
}

/// All of them, in the order of [`Type`].
const ALL: [&str; 9] = ["Action", "Agent", "AgentGroup", "Person", "PersonGroup", "Env", "Endpoint", "Credential", "Fields"];

/// The names as Cedar has them. Reading a name takes longer than a decision, so they are read once for a set.
#[derive(Clone, Debug)]
pub(super) struct Types([EntityTypeName; 9]);

impl Types {
    /// # Errors
    /// A fault of this program: a name that is no identifier.
    pub(super) fn read() -> Result<Self, String> {
        let read = |name: &&str| name.parse::<EntityTypeName>().map_err(|err| err.to_string());
        let names: Vec<EntityTypeName> = ALL.iter().map(read).collect::<Result<_, _>>()?;
        names.try_into().map(Self).map_err(|_| "there are other types".to_owned())
    }

    /// The name of an entity.
    pub(super) fn uid(&self, of: Type, id: &str) -> EntityUid {
        let Self([action, agent, agent_group, person, person_group, env, endpoint, credential, fields]) = self;
        let name = match of {
            Type::Action => action,
            Type::Agent => agent,
            Type::AgentGroup => agent_group,
            Type::Person => person,
            Type::PersonGroup => person_group,
            Type::Env => env,
            Type::Endpoint => endpoint,
            Type::Credential => credential,
            Type::Fields => fields,
        };
        EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
    }

    /// Whether a type has this name.
    pub(super) fn is(&self, name: &EntityTypeName, of: Type) -> bool {
        name == self.uid(of, "").type_name()
    }
}
