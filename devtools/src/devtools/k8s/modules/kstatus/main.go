// What kstatus says of objects: the library by which Helm, Flux and others wait. It reads a JSON list of objects from
// standard input and writes a JSON list of their statuses and messages.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		log.Fatal(err)
	}
	verdicts := make([]verdict, 0, len(objects))
	for _, object := range objects {
		result, err := status.Compute(&unstructured.Unstructured{Object: whole(object)})
		if err != nil {
			log.Fatal(err)
		}
		verdicts = append(verdicts, verdict{result.Status.String(), result.Message})
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		log.Fatal(err)
	}
}

// whole makes numbers integers, as a Kubernetes client reads them.
func whole(object map[string]any) map[string]any {
	for name, value := range object {
		object[name] = converted(value)
	}
	return object
}

func converted(value any) any {
	switch found := value.(type) {
	case float64:
		return int64(found)
	case map[string]any:
		return whole(found)
	case []any:
		for index, each := range found {
			found[index] = converted(each)
		}
	}
	return value
}
