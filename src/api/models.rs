//! `GET /v1/models`: the models a project may use, in OpenAI's shape.
//!
//! Absent on purpose: where the list comes from (`config`).

use serde::Serialize;

/// One model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name to ask for.
    pub id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The provider's name.
    pub owned_by: String,
}

#[derive(Serialize)]
struct Rendered<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Rendered<'a>>,
}

impl Model {
    fn rendered(&self) -> Rendered<'_> {
        Rendered { id: &self.id, object: "model", created: self.created, owned_by: &self.owned_by }
    }

    /// The body of `GET /v1/models/{id}`.
    pub fn to_json(&self) -> String {
        json(&self.rendered())
    }
}

/// The body of `GET /v1/models`.
pub fn list_json(models: &[Model]) -> String {
    json(&List { object: "list", data: models.iter().map(Model::rendered).collect() })
}

fn json(value: &impl Serialize) -> String {
    // Strings and integers always serialise; the fallback keeps this free of a panic.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_openais() {
        let model = Model { id: "gpt-x/\"y\"".into(), created: 7, owned_by: "openai".into() };
        let one = r#"{"id":"gpt-x/\"y\"","object":"model","created":7,"owned_by":"openai"}"#;
        assert_eq!(model.to_json(), one);
        assert_eq!(list_json(&[model]), format!(r#"{{"object":"list","data":[{one}]}}"#));
        assert_eq!(list_json(&[]), r#"{"object":"list","data":[]}"#);
    }
}
