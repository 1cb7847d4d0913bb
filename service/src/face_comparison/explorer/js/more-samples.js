/** A request as code in Go, C# and PHP, with their standard libraries. Pure; see samples.js for what a request is. */

const JSON_TYPE = "application/json";

/** Text between double quotes: the escapes of JSON are those of Go and C#, too. */
const quoted = (text) => JSON.stringify(text);

const indented = (lines, depth) => lines.map((line) => line && "\t".repeat(depth) + line);

// --- Go ---------------------------------------------------------------------------------------------------------------

export function go(request) {
  const { image, json, form } = request;
  const files = form?.some(({ file }) => file);
  const imports = ["fmt", "io", "log", "net/http", "time"];
  if (image || form) imports.push("bytes");
  if (form) imports.push("mime/multipart");
  if (image || files || request.key) imports.push("os");
  if (json) imports.push("strings");
  return [
    "// Go 1.21 or newer; save as call.go, run: go run call.go",
    "package main",
    "",
    "import (",
    ...imports.sort().map((name) => `\t${quoted(name)}`),
    ")",
    "",
    "func main() {",
    ...indented(goBody(request), 1),
    "\tcheck(err)",
    ...(request.key ? [`\trequest.Header.Set("x-api-key", os.Getenv("API_KEY"))`] : []),
    `\trequest.Header.Set("Content-Type", ${form ? "form.FormDataContentType()" : quoted(image?.type ?? JSON_TYPE)})`,
    "\tclient := http.Client{Timeout: 60 * time.Second}",
    "\treply, err := client.Do(request)",
    "\tcheck(err)",
    "\tdefer reply.Body.Close()",
    "\ttext, err := io.ReadAll(reply.Body)",
    "\tcheck(err)",
    "\tif reply.StatusCode != http.StatusOK {",
    "\t\tlog.Fatal(string(text))",
    "\t}",
    "\tfmt.Println(string(text))",
    "}",
    "",
    "func check(err error) {",
    "\tif err != nil {",
    "\t\tlog.Fatal(err)",
    "\t}",
    "}",
    ...(files ? GO_FILE : []),
  ].join("\n");
}

/** What makes the request, up to the call whose error is checked next. */
function goBody({ url, image, json, form }) {
  const made = (body) => `request, err := http.NewRequest("POST", ${quoted(url)}, ${body})`;
  if (image) return [`image, err := os.ReadFile(${quoted(image.file)})`, "check(err)", made("bytes.NewReader(image)")];
  if (json) return [made(`strings.NewReader(${quoted(JSON.stringify(json))})`)];
  return [
    "body := &bytes.Buffer{}",
    "form := multipart.NewWriter(body)",
    ...form.map(({ name, file, text }) => (file ? `addFile(form, ${quoted(name)}, ${quoted(file)})` : `check(form.WriteField(${quoted(name)}, ${quoted(text)}))`)),
    "check(form.Close())",
    made("body"),
  ];
}

const GO_FILE = [
  "",
  "func addFile(form *multipart.Writer, name, path string) {",
  "\tpart, err := form.CreateFormFile(name, path)",
  "\tcheck(err)",
  "\tdata, err := os.ReadFile(path)",
  "\tcheck(err)",
  "\t_, err = part.Write(data)",
  "\tcheck(err)",
  "}",
];

// --- C# ---------------------------------------------------------------------------------------------------------------

export function csharp(request) {
  return [
    "// .NET 8 or newer; save as Program.cs in a folder made with `dotnet new console`, run: dotnet run",
    "using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };",
    ...(request.key ? [`client.DefaultRequestHeaders.Add("x-api-key", Environment.GetEnvironmentVariable("API_KEY"));`] : []),
    ...csharpBody(request),
    `using var reply = await client.PostAsync(${quoted(request.url)}, body);`,
    "var text = await reply.Content.ReadAsStringAsync();",
    "if (!reply.IsSuccessStatusCode) throw new HttpRequestException(text);",
    "Console.WriteLine(text);",
  ].join("\n");
}

function csharpBody({ image, json, form }) {
  const content = (file) => `new ByteArrayContent(await File.ReadAllBytesAsync(${quoted(file)}))`;
  if (image) return [`using var body = ${content(image.file)};`, `body.Headers.ContentType = new(${quoted(image.type)});`];
  if (json) return [`using var body = new StringContent(${quoted(JSON.stringify(json))}, System.Text.Encoding.UTF8, ${quoted(JSON_TYPE)});`];
  const part = ({ name, file, text }) => (file ? `body.Add(${content(file)}, ${quoted(name)}, ${quoted(file)});` : `body.Add(new StringContent(${quoted(text)}), ${quoted(name)});`);
  return ["using var body = new MultipartFormDataContent();", ...form.map(part)];
}

// --- PHP --------------------------------------------------------------------------------------------------------------

const phpText = (text) => `'${text.replace(/['\\]/g, "\\$&")}'`;

export function php(request) {
  const headers = [phpText(`Content-Type: ${request.image?.type ?? JSON_TYPE}`), ...(request.key ? [`'x-api-key: ' . getenv('API_KEY')`] : [])];
  return [
    "<?php // PHP 8 with its curl extension; save as call.php, run: php call.php",
    `$call = curl_init(${phpText(request.url)});`,
    "curl_setopt_array($call, [",
    `    CURLOPT_POSTFIELDS => ${phpBody(request)},`,
    `    CURLOPT_HTTPHEADER => [${headers.join(", ")}],`,
    "    CURLOPT_RETURNTRANSFER => true,",
    "    CURLOPT_TIMEOUT => 60,",
    "]);",
    "$reply = curl_exec($call);",
    "if (curl_getinfo($call, CURLINFO_RESPONSE_CODE) !== 200) {",
    "    throw new RuntimeException($reply ?: curl_error($call));",
    "}",
    `echo $reply, "\\n";`,
  ].join("\n");
}

/** A form becomes JSON: PHP's own forms have one field of a name. */
function phpBody({ image, json, form }) {
  if (image) return `file_get_contents(${phpText(image.file)})`;
  if (json) return phpText(JSON.stringify(json));
  const threshold = form.find(({ name }) => name === "threshold");
  const subjects = (name) => form.filter((part) => part.name === name).map(phpSubject);
  return [
    "json_encode([",
    `        'source' => ${subjects("source")[0]},`,
    `        'targets' => [${subjects("target").join(", ")}],`,
    ...(threshold ? [`        'threshold' => ${threshold.text},`] : []),
    "    ])",
  ].join("\n");
}

function phpSubject({ file, text }) {
  if (file) return `['img' => base64_encode(file_get_contents(${phpText(file)}))]`;
  return text.startsWith("{") ? `json_decode(${phpText(text)})` : `['url' => ${phpText(text)}]`;
}
