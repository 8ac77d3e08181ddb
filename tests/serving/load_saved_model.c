/* Runs one signature of a SavedModel through TensorFlow's C API.

   TF_LoadSessionFromSavedModel is the loader that TensorFlow Serving wraps: neither
   Python nor Keras takes part.

   load_saved_model FOLDER [INPUT DTYPE SIZES FILE]... -- [OUTPUT FILE]...

   INPUT and OUTPUT are names of tensors, serving_default_z:0; a SignatureDef tells
   them. DTYPE is a number of types.proto: 1 float32, 3 int32, 9 int64. SIZES are those
   of the tensor, 4x128. Files have the values alone, in row-major order and in the byte
   order of the machine. For each output a line says its dtype and sizes.

   Exit status: 0; 1 if TensorFlow reports an error, its code and text on stderr; 2 for
   a wrong command line or an unreadable file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum { MAX_TENSORS = 8, MAX_DIMS = 8 };

static void stop(const char *what, const char *which) {
  fprintf(stderr, "%s: %s\n", what, which);
  exit(2);
}

static void check(TF_Status *status) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "code %d: %s\n", (int)TF_GetCode(status), TF_Message(status));
  exit(1);
}

static TF_Output find(TF_Graph *graph, const char *tensor) {
  char name[256];
  const char *colon = strrchr(tensor, ':');
  if (colon == NULL || colon - tensor >= (long)sizeof name) stop("no tensor", tensor);
  memcpy(name, tensor, colon - tensor);
  name[colon - tensor] = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (output.oper == NULL) stop("not in the graph", tensor);
  return output;
}

static TF_Tensor *read_tensor(TF_DataType dtype, char *sizes, const char *path) {
  int64_t dims[MAX_DIMS];
  int rank = 0;
  size_t bytes = TF_DataTypeSize(dtype);
  for (char *size = strtok(sizes, "x"); size != NULL; size = strtok(NULL, "x")) {
    if (rank == MAX_DIMS) stop("too many sizes", sizes);
    dims[rank] = atoll(size);
    bytes *= dims[rank++];
  }
  TF_Tensor *tensor = TF_AllocateTensor(dtype, dims, rank, bytes);
  FILE *file = fopen(path, "rb");
  if (file == NULL || fread(TF_TensorData(tensor), 1, bytes, file) != bytes)
    stop("cannot be read", path);
  fclose(file);
  return tensor;
}

static void write_tensor(const TF_Tensor *tensor, const char *path) {
  size_t bytes = TF_TensorByteSize(tensor);
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(TF_TensorData(tensor), 1, bytes, file) != bytes ||
      fclose(file) != 0)
    stop("cannot be written", path);
  printf("%d", (int)TF_TensorType(tensor));
  for (int i = 0; i < TF_NumDims(tensor); i++)
    printf(" %lld", (long long)TF_Dim(tensor, i));
  printf("\n");
}

int main(int argc, char **argv) {
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  if (argc < 2) stop("usage", "FOLDER [INPUT DTYPE SIZES FILE]... -- [OUTPUT FILE]...");
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  check(status);

  TF_Output inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  TF_Tensor *fed[MAX_TENSORS], *fetched[MAX_TENSORS] = {NULL};
  const char *paths[MAX_TENSORS];
  int num_inputs = 0, num_outputs = 0, i = 2;
  for (; i < argc && strcmp(argv[i], "--") != 0; i += 4) {
    if (i + 3 >= argc || num_inputs == MAX_TENSORS) stop("usage", argv[i]);
    inputs[num_inputs] = find(graph, argv[i]);
    fed[num_inputs++] = read_tensor(atoi(argv[i + 1]), argv[i + 2], argv[i + 3]);
  }
  for (i++; i < argc; i += 2) {
    if (i + 1 >= argc || num_outputs == MAX_TENSORS) stop("usage", argv[i]);
    outputs[num_outputs] = find(graph, argv[i]);
    paths[num_outputs++] = argv[i + 1];
  }
  TF_SessionRun(session, NULL, inputs, fed, num_inputs, outputs, fetched, num_outputs,
                NULL, 0, NULL, status);
  check(status);
  for (i = 0; i < num_outputs; i++) {
    write_tensor(fetched[i], paths[i]);
    TF_DeleteTensor(fetched[i]);
  }

  for (i = 0; i < num_inputs; i++) TF_DeleteTensor(fed[i]);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
