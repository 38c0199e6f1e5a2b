/* libnvidia-ml.so.1 for tests: answers from the lines of the file that NVML_STUB names, read anew at every call.
 *
 *     nvmlInitWithFlags=!9                     an NVML error code instead of an answer
 *     0.nvmlDeviceGetClockInfo.1=1980          device "0", function, its further arguments
 *     0.*=!15                                  whatever device "0" is asked for
 *     1.nvmlDeviceGetPcieThroughput.sleep=20   milliseconds that every such call takes
 *
 * A question without a line is not supported. A device is one word: the GPU's index, or a MIG device's own name with
 * its parent in "<name>.parent". Numbers of a structure stand in one line with blanks. tests/nvml.py writes the file.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, LIBRARY_NOT_FOUND = 12 };
#define MOST 256

static char devices[64][64]; /* a handle points to its device's word; words are never removed */
static int device_count;

static void *handle_of(const char *word) {
    for (int i = 0; i < device_count; i++)
        if (!strcmp(devices[i], word)) return devices[i];
    if (device_count == 64) return NULL;
    snprintf(devices[device_count], sizeof devices[0], "%s", word);
    return devices[device_count++];
}

/* The text behind "key=", or NOT_SUPPORTED; an error code where the text is "!code". */
static int line_of(const char *key, char *value) {
    const char *path = getenv("NVML_STUB");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return LIBRARY_NOT_FOUND;
    char line[1024];
    size_t length = strlen(key);
    int result = NOT_SUPPORTED;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && line[length] == '=') {
            snprintf(value, MOST, "%s", line + length + 1);
            value[strcspn(value, "\n")] = 0;
            result = value[0] == '!' ? atoi(value + 1) : OK;
            break;
        }
    fclose(file);
    return result;
}

static int ask(void *device, const char *question, char *value) {
    char key[512], ignored[MOST];
    if (device) {
        snprintf(key, sizeof key, "%s.*", (char *)device);
        int lost = line_of(key, ignored);
        if (lost != NOT_SUPPORTED) return lost;
        snprintf(key, sizeof key, "%s.%s.sleep", (char *)device, question);
        if (line_of(key, value) == OK) {
            struct timespec pause = {0, atol(value) * 1000000L};
            nanosleep(&pause, NULL);
        }
        snprintf(key, sizeof key, "%s.%s", (char *)device, question);
    } else
        snprintf(key, sizeof key, "%s", question);
    return line_of(key, value);
}

static int text(void *device, const char *question, char *buffer, unsigned size) {
    char value[MOST];
    int result = ask(device, question, value);
    if (result != OK) return result;
    if (strlen(value) >= size) return INSUFFICIENT_SIZE;
    strcpy(buffer, value);
    return OK;
}

/* Numbers that follow each other, into pointers of unsigned int (long_numbers: unsigned long long). */
static int numbers(void *device, const char *question, int count, unsigned **into) {
    char value[MOST], *rest = value;
    int result = ask(device, question, value);
    for (int i = 0; result == OK && i < count; i++) *into[i] = (unsigned)strtoul(rest, &rest, 0);
    return result;
}

static int number(void *device, const char *question, unsigned *into) { return numbers(device, question, 1, &into); }

static int long_numbers(void *device, const char *question, int count, unsigned long long *into) {
    char value[MOST], *rest = value;
    int result = ask(device, question, value);
    for (int i = 0; result == OK && i < count; i++) into[i] = strtoull(rest, &rest, 0);
    return result;
}

static const char *with(char *buffer, const char *question, int arguments, ...) {
    va_list list;
    va_start(list, arguments);
    int used = snprintf(buffer, MOST, "%s", question);
    for (int i = 0; i < arguments; i++) used += snprintf(buffer + used, MOST - used, ".%u", va_arg(list, unsigned));
    va_end(list);
    return buffer;
}

int nvmlInitWithFlags(unsigned flags) {
    char value[MOST];
    (void)flags;
    int result = ask(NULL, "nvmlInitWithFlags", value);
    return result == NOT_SUPPORTED ? OK : result;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { (void)code; return "an error that the binding has no text for"; }
int nvmlSystemGetDriverVersion(char *buffer, unsigned size) { return text(NULL, "nvmlSystemGetDriverVersion", buffer, size); }
int nvmlSystemGetNVMLVersion(char *buffer, unsigned size) { return text(NULL, "nvmlSystemGetNVMLVersion", buffer, size); }
int nvmlSystemGetCudaDriverVersion_v2(unsigned *version) { return number(NULL, "nvmlSystemGetCudaDriverVersion_v2", version); }
int nvmlDeviceGetCount_v2(unsigned *count) { return number(NULL, "nvmlDeviceGetCount_v2", count); }

static int device_named(const char *question, void **device) {
    char word[MOST];
    int result = ask(NULL, question, word);
    if (result == OK) *device = handle_of(word);
    return result;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    char question[MOST];
    int result = device_named(with(question, "nvmlDeviceGetHandleByIndex_v2", 1, index), device);
    return result == NOT_SUPPORTED ? INVALID_ARGUMENT : result;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    char question[MOST];
    snprintf(question, sizeof question, "nvmlDeviceGetHandleByUUID.%s", uuid);
    int result = device_named(question, device);
    return result == NOT_SUPPORTED ? NOT_FOUND : result;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **mig) {
    char question[MOST], word[MOST];
    int result = ask(device, with(question, "nvmlDeviceGetMigDeviceHandleByIndex", 1, index), word);
    if (result == OK) *mig = handle_of(word);
    return result == NOT_SUPPORTED ? NOT_FOUND : result;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *mig, void **device) {
    char word[MOST];
    int result = ask(mig, "parent", word);
    if (result == OK) *device = handle_of(word);
    return result == NOT_SUPPORTED ? INVALID_ARGUMENT : result;
}
int nvmlDeviceIsMigDeviceHandle(void *device, unsigned *is) {
    char word[MOST];
    *is = ask(device, "parent", word) == OK;
    return OK;
}

#define TEXT(name) \
    int name(void *device, char *buffer, unsigned size) { return text(device, #name, buffer, size); }
#define NUMBER(name) \
    int name(void *device, unsigned *into) { return number(device, #name, into); }
#define PAIR(name) \
    int name(void *device, unsigned *first, unsigned *second) { \
        unsigned *both[] = {first, second}; \
        return numbers(device, #name, 2, both); \
    }
#define NUMBER_OF(name) \
    int name(void *device, unsigned what, unsigned *into) { \
        char question[MOST]; \
        return number(device, with(question, #name, 1, what), into); \
    }
TEXT(nvmlDeviceGetName)
TEXT(nvmlDeviceGetUUID)
NUMBER(nvmlDeviceGetIndex)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth)
NUMBER(nvmlDeviceGetGpuMaxPcieLinkGeneration)
NUMBER(nvmlDeviceGetPowerManagementLimit)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit)
NUMBER(nvmlDeviceGetEnforcedPowerLimit)
NUMBER(nvmlDeviceGetPowerUsage)
NUMBER(nvmlDeviceGetPersistenceMode)
NUMBER(nvmlDeviceGetComputeMode)
NUMBER(nvmlDeviceGetMaxMigDeviceCount)
NUMBER(nvmlDeviceGetGpuInstanceId)
NUMBER(nvmlDeviceGetComputeInstanceId)
PAIR(nvmlDeviceGetCudaComputeCapability)
PAIR(nvmlDeviceGetEccMode)
PAIR(nvmlDeviceGetMigMode)
NUMBER_OF(nvmlDeviceGetClockInfo)
NUMBER_OF(nvmlDeviceGetMaxClockInfo)
NUMBER_OF(nvmlDeviceGetApplicationsClock)
NUMBER_OF(nvmlDeviceGetDefaultApplicationsClock)
NUMBER_OF(nvmlDeviceGetTemperature)
NUMBER_OF(nvmlDeviceGetPcieThroughput)

struct utilization { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates) {
    unsigned *both[] = {&rates->gpu, &rates->memory};
    return numbers(device, "nvmlDeviceGetUtilizationRates", 2, both);
}
int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *reasons) {
    return long_numbers(device, "nvmlDeviceGetCurrentClocksEventReasons", 1, reasons);
}
int nvmlDeviceGetTotalEccErrors(void *device, unsigned type, unsigned counter, unsigned long long *count) {
    char question[MOST];
    return long_numbers(device, with(question, "nvmlDeviceGetTotalEccErrors", 2, type, counter), 1, count);
}
struct memory { unsigned long long total, free, used; };
int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory) {
    return long_numbers(device, "nvmlDeviceGetMemoryInfo", 3, &memory->total);
}
struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory) {
    return long_numbers(device, "nvmlDeviceGetMemoryInfo_v2", 4, &memory->total);
}

struct process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };
static int processes(void *device, const char *question, unsigned *count, struct process *found) {
    char value[MOST], *rest = value;
    int result = ask(device, question, value);
    if (result != OK) return result;
    unsigned there = (unsigned)strtoul(rest, &rest, 0), room = *count;
    *count = there;
    if (!there) return OK;
    if (!found || room < there) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < there; i++) {
        found[i].pid = (unsigned)strtoul(rest, &rest, 0);
        found[i].used = strtoull(rest, &rest, 0);
        found[i].gpu_instance = found[i].compute_instance = 0xFFFFFFFFu;
    }
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *found) {
    return processes(device, "nvmlDeviceGetComputeRunningProcesses_v3", count, found);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, struct process *found) {
    return processes(device, "nvmlDeviceGetGraphicsRunningProcesses_v3", count, found);
}
