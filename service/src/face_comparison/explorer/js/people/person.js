/** What a person of a collection is called: the name that was given, else the id. */
export const personName = ({ UserId: id, Metadata: metadata }) => (typeof metadata?.Name === "string" && metadata.Name) || id;
