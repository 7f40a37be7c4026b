//! Entity families: which entities of a schema travel as families, and by which relations a record's root is found.

use crate::ordered::BTreeMap;
use crate::pattern::Unit;
use crate::schema::{EntitySchema, Relation, Schema};

/// The entity families of a schema: entities whose patterns have the family as their unit, joined by relations between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// Entity → number of its family and its place in it.
    members: BTreeMap<String, Member>,
    /// By number, each with parents before children.
    families: Vec<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    family: usize,
    up: Vec<Relation>,
    down: Vec<Relation>,
}

impl Families {
    /// Finds them. Local entities never travel and are of none; an entity that no relation joins to one of its kind is of none either:
    /// each of its records is a family of its own.
    pub fn new(schema: &Schema, unit: impl Fn(&EntitySchema) -> Unit) -> Self {
        let of_families = |name: &str| {
            let found = schema.entities.iter().find(|entity| entity.name == name);
            found.is_some_and(|entity| !entity.local && unit(entity) == Unit::Family)
        };
        let travels = |relation: &&Relation| {
            let child = schema.entity(&relation.child).ok();
            let attribute =
                child.and_then(|child| Some(&child.attributes[child.index_of(&relation.attribute)?]));
            attribute.is_some_and(|attribute| !attribute.local)
        };
        let mut families = Self::default();
        let relations = schema.relations.iter().filter(travels);
        for relation in
            relations.filter(|relation| of_families(&relation.child) && of_families(&relation.parent))
        {
            families.join(relation);
        }
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let order = schema.parents_first().unwrap_or_default();
        for name in order {
            if let Some(member) = families.members.get_mut(&name) {
                let next = numbers.len();
                let number = *numbers.entry(member.family).or_insert(next);
                member.family = number;
                if number == families.families.len() {
                    families.families.push(Vec::new());
                }
                families.families[number].push(name);
            }
        }
        families
    }

    /// Puts the two ends of a relation into one family.
    fn join(&mut self, relation: &Relation) {
        let number = |members: &mut BTreeMap<String, Member>, name: &str| {
            // No two were added to as many.
            let family = members.len();
            let member = members.entry(name.to_owned()).or_insert(Member {
                family,
                ..Member::default()
            });
            member.family
        };
        let child = number(&mut self.members, &relation.child);
        let parent = number(&mut self.members, &relation.parent);
        for member in self.members.values_mut().filter(|member| member.family == child) {
            member.family = parent;
        }
        if let Some(member) = self.members.get_mut(&relation.child) {
            member.up.push(relation.clone());
        }
        if let Some(member) = self.members.get_mut(&relation.parent) {
            member.down.push(relation.clone());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The number of an entity's family.
    pub fn of(&self, entity: &str) -> Option<usize> {
        self.members.get(entity).map(|member| member.family)
    }

    /// The entities of a family, parents before children.
    pub fn entities(&self, family: usize) -> &[String] {
        self.families.get(family).map_or(&[], Vec::as_slice)
    }

    /// The relations that lead from an entity to a parent in its family, as configured: the first that is not null decides whose child
    /// a record is.
    pub fn up(&self, entity: &str) -> &[Relation] {
        self.members.get(entity).map_or(&[], |member| &member.up)
    }

    /// The relations that lead from an entity to its children in its family.
    pub fn down(&self, entity: &str) -> &[Relation] {
        self.members.get(entity).map_or(&[], |member| &member.down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Attribute, OnDelete};
    use crate::value::ValueType;

    fn entity(name: &str, pattern: &str) -> EntitySchema {
        let attributes = ["id", "up"].map(|name| Attribute::new(name, ValueType::Integer));
        EntitySchema::new(name, pattern, &["id"], attributes.to_vec())
    }

    fn relation(child: &str, parent: &str) -> Relation {
        Relation {
            name: format!("{child}-{parent}"),
            child: child.to_owned(),
            attribute: "up".to_owned(),
            parent: parent.to_owned(),
            on_delete: OnDelete::Restrict,
        }
    }

    fn families(relations: &[(&str, &str)]) -> Families {
        let family = ["Note", "Contact", "Company", "Tree", "Loner", "Order", "Line"];
        let schema = Schema {
            entities: family
                .map(|name| entity(name, "family"))
                .into_iter()
                .chain([entity("Country", "record")])
                .collect(),
            relations: relations
                .iter()
                .map(|(child, parent)| relation(child, parent))
                .collect(),
        };
        Families::new(&schema, |entity| match entity.pattern.as_str() {
            "family" => Unit::Family,
            _ => Unit::Record,
        })
    }

    #[test]
    fn relations_between_entities_of_the_kind_make_families() {
        let families = families(&[
            ("Note", "Contact"),
            ("Contact", "Company"),
            ("Line", "Order"),
            ("Tree", "Tree"),
            ("Company", "Country"),
        ]);
        let company = families.of("Company");
        assert!(company.is_some() && families.of("Note") == company && families.of("Contact") == company);
        assert!(families.of("Line").is_some() && families.of("Line") != company);
        assert_eq!(families.of("Line"), families.of("Order"));
        assert_eq!((families.of("Country"), families.of("Loner")), (None, None));
        let entities = company.map(|family| families.entities(family).to_vec());
        assert_eq!(entities.unwrap_or_default(), ["Company", "Contact", "Note"]);
        assert_eq!(families.up("Company"), []);
        assert_eq!(families.up("Tree"), [relation("Tree", "Tree")]);
        assert_eq!(families.down("Company"), [relation("Contact", "Company")]);
        assert!(families.entities(99).is_empty());
    }

    #[test]
    fn families_that_a_later_relation_joins_are_one() {
        let families = families(&[("Note", "Contact"), ("Line", "Order"), ("Order", "Contact")]);
        let all = ["Note", "Contact", "Line", "Order"].map(|name| families.of(name));
        assert_eq!(all, [Some(0); 4]);
        assert_eq!(families.entities(0), ["Contact", "Note", "Order", "Line"]);
    }
}
