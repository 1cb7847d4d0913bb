// A program as it is written for Amazon: enroll, search, error, erase. Prints what it saw as JSON.
//
//   java -cp 'LIBRARIES/*' Check.java ENDPOINT IMAGE OTHER-IMAGE
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.rekognition.RekognitionClient;
import software.amazon.awssdk.services.rekognition.model.Image;
import software.amazon.awssdk.services.rekognition.model.ResourceAlreadyExistsException;

public class Check {
    public static void main(String[] arguments) throws Exception {
        try (RekognitionClient client = RekognitionClient.builder()
                .endpointOverride(URI.create(arguments[0]))
                .region(Region.EU_CENTRAL_1)
                .httpClientBuilder(UrlConnectionHttpClient.builder())
                .build()) {
            Image image = image(arguments[1]);
            int created = client.createCollection(call -> call.collectionId("staff")).statusCode();
            var indexed = client.indexFaces(call -> call
                    .collectionId("staff").image(image).externalImageId("anna").maxFaces(1));
            var found = client.searchFacesByImage(call -> call.collectionId("staff").image(image)).faceMatches();
            var strangers = client.searchFacesByImage(call -> {
                call.collectionId("staff").image(image(arguments[2]));
            }).faceMatches();
            long listed = client.listFacesPaginator(call -> call.collectionId("staff").maxResults(1))
                    .faces().stream().count();
            var described = client.describeCollection(call -> call.collectionId("staff"));
            String error = "";
            int errorStatus = 0;
            try {
                client.createCollection(call -> call.collectionId("staff"));
            } catch (ResourceAlreadyExistsException exists) {
                error = exists.awsErrorDetails().errorCode();
                errorStatus = exists.statusCode();
            }
            int deleted = client.deleteCollection(call -> call.collectionId("staff")).statusCode();
            System.out.printf(
                    "{\"created\": %d, \"enrolled\": \"%s\", \"found\": [\"%s\"], \"similarity\": %s, \"stranger\": %d,"
                    + " \"pages\": [%d], \"createdAt\": \"%s\", \"error\": \"%s\", \"errorStatus\": %d,"
                    + " \"deleted\": %d}%n",
                    created, indexed.faceRecords().get(0).face().externalImageId(),
                    found.get(0).face().externalImageId(), found.get(0).similarity(), strangers.size(),
                    listed, described.creationTimestamp(), error, errorStatus, deleted);
        }
    }

    private static Image image(String path) {
        try {
            return Image.builder().bytes(SdkBytes.fromByteArray(Files.readAllBytes(Path.of(path)))).build();
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }
}
