/**
 * A request as code in several languages. Pure: a description in, text out; nothing here knows of the page.
 *
 * A request is {url, key} and one of {image: {file, type}}, {json: value}, {form: [{name, file} or {name, text}]};
 * options: what the query of an image's url says. key: whether an API key is needed. The key itself is never part of it: code reads it from the environment.
 */

import { csharp, go, php } from "./more-samples.js";

const WRITERS = { cURL: curl, Python: python, Java: java, JavaScript: javascript, Go: go, "C#": csharp, PHP: php };

export const LANGUAGES = Object.keys(WRITERS);

export const sample = (language, request) => WRITERS[language](request);

/** Text between double quotes, as Python and JavaScript write it. */
const quoted = (text) => JSON.stringify(text);

/** The same for Java, in ASCII, because Java 17 reads sources in the machine's encoding. */
const javaText = (text) =>
  quoted(text).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const JSON_TYPE = "application/json";

const readsFiles = (request) => Boolean(request.image || request.form?.some((part) => part.file));

/** The Content-Type that code must set; forms set their own. */
const type = (request) => request.image?.type ?? (request.json ? JSON_TYPE : null);

/** A JSON value as a literal of Python or JavaScript: our requests hold neither true, false nor null. */
const literal = (value) =>
  JSON.stringify(value, null, 1).replace(/([[{])\n */g, "$1").replace(/\n *([\]}])/g, "$1").replace(/\n */g, " ");

// --- cURL -------------------------------------------------------------------------------------------------------------

function curl(request) {
  const lines = ["curl --fail-with-body"];
  if (request.key) lines.push(`-H "x-api-key: $API_KEY"`);
  if (type(request)) lines.push(`-H ${shell(`Content-Type: ${type(request)}`)}`);
  if (request.image) lines.push(`--data-binary ${shell(`@${request.image.file}`)}`);
  if (request.json) lines.push(`-d ${shell(JSON.stringify(request.json))}`);
  for (const { name, file, text } of request.form ?? []) {
    lines.push(file ? `-F ${shell(`${name}=@${curlFile(file)}`)}` : `--form-string ${shell(`${name}=${text}`)}`);
  }
  return [...lines, shell(request.url)].join(" \\\n  ");
}

// In -F, commas and semicolons end a file's name unless it is quoted.
const curlFile = (name) => (/[,;"\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name);

// --- Python -----------------------------------------------------------------------------------------------------------

/** With the product's own client, which does not need to know how a body is written. */
function python(request) {
  const sides = request.form ? request.form.filter(({ name }) => name !== "threshold") : null;
  const { source, targets, threshold, url, ...options } = request.json ?? {};
  const given = { ...options, ...request.options };
  const tried = threshold ?? request.form?.find(({ name }) => name === "threshold")?.text;
  const call = sides
    ? pythonCompare(sides.filter(({ name }) => name === "source").map(pythonPart)[0], sides.filter(({ name }) => name === "target").map(pythonPart), tried)
    : source
      ? pythonCompare(pythonSubject(source), targets.map(pythonSubject), tried)
      : `service.detect(${[quoted(url ?? request.image.file), ...Object.entries(given).map(([name, value]) => `${name}=${value}`)].join(", ")})`;
  const imports = [...(request.key ? ["import os"] : []), ...(call.includes("np.array(") ? ["import numpy as np"] : []), "from face_comparison.client import Client"];
  const address = request.url.replace(/\?.*$/, "").replace(/\/compare$/, "");
  return [
    "# The client is part of this product's Python package.",
    ...imports.flatMap((line, i) => (i && imports[i - 1] === "import os" ? ["", line] : [line])),
    "",
    `with Client(${[quoted(address), ...(request.key ? [`api_key=os.environ["API_KEY"]`] : [])].join(", ")}) as service:`,
    `    result = ${call}`,
    ...(call.startsWith("service.detect")
      ? ["for face in result.faces:", "    print(face.bounding_box, face.confidence)"]
      : ["for target in result.targets:", "    print(target)"]),
  ].join("\n");
}

const pythonCompare = (source, targets, threshold) => `service.compare(${[source, `[${targets.join(", ")}]`, ...(threshold === undefined ? [] : [`threshold=${threshold}`])].join(", ")})`;

const pythonSubject = ({ url, face_hash: vector }) => (vector ? `np.array(${JSON.stringify(vector)}, np.float32)` : quoted(url));

const pythonPart = ({ file, text }) => (file ? quoted(file) : text.startsWith("{") ? pythonSubject(JSON.parse(text)) : quoted(text));

// --- JavaScript -------------------------------------------------------------------------------------------------------

function javascript(request) {
  const headers = [];
  if (request.key) headers.push(`"x-api-key": process.env.API_KEY`);
  if (type(request)) headers.push(`"Content-Type": ${quoted(type(request))}`);
  return [
    "// Node.js 18 or newer; save as call.mjs",
    ...(readsFiles(request) ? [`import { readFile } from "node:fs/promises";`] : []),
    "",
    ...(request.form ? javascriptForm(request.form) : []),
    `const reply = await fetch(${quoted(request.url)}, {`,
    `  method: "POST",`,
    ...(headers.length ? [`  headers: { ${headers.join(", ")} },`] : []),
    `  body: ${javascriptBody(request)},`,
    "  signal: AbortSignal.timeout(60_000),",
    "});",
    "if (!reply.ok) throw new Error(await reply.text());",
    "console.log(await reply.json());",
  ].join("\n");
}

function javascriptBody({ image, json }) {
  if (image) return `await readFile(${quoted(image.file)})`;
  return json ? `JSON.stringify(${literal(json)})` : "form";
}

const javascriptForm = (form) => [
  "const form = new FormData();",
  ...form.map(({ name, file, text }) =>
    file
      ? `form.append(${quoted(name)}, new Blob([await readFile(${quoted(file)})]), ${quoted(file)});`
      : `form.append(${quoted(name)}, ${quoted(text)});`,
  ),
  "",
];

// --- Java -------------------------------------------------------------------------------------------------------------

function java(request) {
  const { form } = request;
  return [
    "// Java 17 or newer; save as Call.java, run: java Call.java",
    "import java.net.URI;",
    "import java.net.http.HttpClient;",
    "import java.net.http.HttpRequest;",
    ...(form ? ["import java.net.http.HttpRequest.BodyPublisher;"] : []),
    "import java.net.http.HttpRequest.BodyPublishers;",
    "import java.net.http.HttpResponse.BodyHandlers;",
    ...(readsFiles(request) ? ["import java.nio.file.Path;"] : []),
    "import java.time.Duration;",
    ...(form ? ["import java.util.ArrayList;", "import java.util.UUID;"] : []),
    "",
    "public class Call {",
    "    public static void main(String[] args) throws Exception {",
    ...(form ? javaForm(form) : []),
    `        var request = HttpRequest.newBuilder(URI.create(${javaText(request.url)}))`,
    ...(request.key ? [`            .header("x-api-key", System.getenv("API_KEY"))`] : []),
    `            .header("Content-Type", ${form ? `"multipart/form-data; boundary=" + boundary` : javaText(type(request))})`,
    `            .POST(${javaBody(request)})`,
    "            .timeout(Duration.ofSeconds(60))",
    "            .build();",
    "        var reply = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());",
    "        if (reply.statusCode() != 200) throw new IllegalStateException(reply.body());",
    "        System.out.println(reply.body());",
    "    }",
    ...(form ? JAVA_PART : []),
    "}",
  ].join("\n");
}

function javaBody({ image, json }) {
  if (image) return `BodyPublishers.ofFile(Path.of(${javaText(image.file)}))`;
  return json ? `BodyPublishers.ofString(${javaText(JSON.stringify(json))})` : "BodyPublishers.concat(body.toArray(BodyPublisher[]::new))";
}

function javaForm(form) {
  const parts = form.flatMap(({ name, file, text }) =>
    file
      ? [
          `body.add(head(boundary, ${javaText(`name="${name}"; filename="${file.replaceAll('"', "%22")}"`)}));`,
          `body.add(BodyPublishers.ofFile(Path.of(${javaText(file)})));`,
        ]
      : [`body.add(head(boundary, ${javaText(`name="${name}"`)}));`, `body.add(BodyPublishers.ofString(${javaText(text)}));`],
  );
  return [
    "var boundary = UUID.randomUUID().toString();",
    "var body = new ArrayList<BodyPublisher>();",
    ...parts,
    `body.add(BodyPublishers.ofString("\\r\\n--" + boundary + "--\\r\\n"));`,
  ].map((line) => `        ${line}`);
}

const JAVA_PART = [
  "",
  "    static BodyPublisher head(String boundary, String part) {",
  `        return BodyPublishers.ofString("\\r\\n--" + boundary + "\\r\\nContent-Disposition: form-data; " + part + "\\r\\n\\r\\n");`,
  "    }",
];
