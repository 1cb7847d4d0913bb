// A program as it is written for Amazon: enroll, search, error, erase. Prints what it saw as JSON.
//
//   node check.mjs ENDPOINT IMAGE OTHER-IMAGE
import { readFileSync } from "node:fs";
import {
  CreateCollectionCommand,
  DeleteCollectionCommand,
  DescribeCollectionCommand,
  IndexFacesCommand,
  RekognitionClient,
  SearchFacesByImageCommand,
  paginateListFaces,
} from "@aws-sdk/client-rekognition";

const [endpoint, image, other] = process.argv.slice(2);
const client = new RekognitionClient({ endpoint, region: "eu-central-1" });
const bytes = (path) => ({ Bytes: readFileSync(path) });
const CollectionId = "staff";
const seen = {};

seen.created = (await client.send(new CreateCollectionCommand({ CollectionId }))).StatusCode;
const indexed = await client.send(
  new IndexFacesCommand({ CollectionId, Image: bytes(image), ExternalImageId: "anna", MaxFaces: 1 }),
);
seen.enrolled = indexed.FaceRecords[0].Face.ExternalImageId;
const found = await client.send(new SearchFacesByImageCommand({ CollectionId, Image: bytes(image) }));
seen.found = found.FaceMatches.map((match) => match.Face.ExternalImageId);
seen.similarity = found.FaceMatches[0].Similarity;
const stranger = await client.send(new SearchFacesByImageCommand({ CollectionId, Image: bytes(other) }));
seen.stranger = stranger.FaceMatches.length;
seen.pages = [];
for await (const page of paginateListFaces({ client, pageSize: 1 }, { CollectionId })) {
  seen.pages.push(page.Faces.length);
}
const described = await client.send(new DescribeCollectionCommand({ CollectionId }));
seen.createdAt = described.CreationTimestamp.toISOString();
try {
  await client.send(new CreateCollectionCommand({ CollectionId }));
} catch (error) {
  seen.error = error.name;
  seen.errorStatus = error.$metadata.httpStatusCode;
}
seen.deleted = (await client.send(new DeleteCollectionCommand({ CollectionId }))).StatusCode;
console.log(JSON.stringify(seen));
